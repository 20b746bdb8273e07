import sharp from 'sharp'

/** A 5×8 bitmap font for ASCII 32–126: five columns a character, the lowest bit on top. */
const glyphs = Buffer.from(
  `
  0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649562050 0000070000 001c224100 0041221c00
  2a1c7f1c2a 08083e0808 0050300000 0808080808 0060600000 2010080402 3e5149453e 00427f4000 4261514946 2141454b31
  1814127f10 2745454539 3c4a494930 0171090503 3649494936 064949291e 0036360000 0056360000 0814224100 1414141414
  4122140800 0201510906 3e415d594e 7c1211127c 7f49494936 3e41414122 7f4141413e 7f49494941 7f09090901 3e41415173
  7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f021c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e
  7f09192946 2649494932 01017f0101 3f4040403f 1f2040201f 3f4038403f 6314081463 0304780403 6159494d43 007f414100
  0204081020 0041417f00 0402010204 4040404040 0001020400 2054547840 7f28444438 3844444428 384444287f 3854545418
  00087e0902 18a4a49c78 7f08040478 00447d4000 2040403d00 7f10284400 00417f4000 7c04780478 7c08040478 3844444438
  fc18242418 18242418fc 7c08040408 4854545424 04043f4424 3c4040207c 1c2040201c 3c4030403c 4428102844 4c9090907c
  4464544c44 0008364100 0000770000 0041360800 0201020402
`.replaceAll(/\s/g, ''),
  'hex',
)

const advance = 6
const lineHeight = 11

/** The prompt in white with a soft shadow, as a PNG no wider than `width`: in three lines at most. */
export async function caption(prompt: string, width: number): Promise<Buffer> {
  const scale = Math.max(2, Math.round(width / 480))
  const columns = Math.min(56, Math.max(8, Math.floor(width / scale / advance)))
  const lines = wrap(prompt.replaceAll(/\s+/g, ' ').trim(), columns)
  const letters = /^[\x20-\x7e]*$/.test(prompt.replaceAll(/\s+/g, ' '))
    ? await bitmap(lines, scale)
    : await fontText(prompt, width, scale)
  const { data, info } = letters
  const shadow = await sharp(data, { raw: { width: info.width, height: info.height, channels: 1 } })
    .blur(scale * 1.2)
    .toColourspace('b-w')
    .raw()
    .toBuffer()
  const rgba = Buffer.alloc(info.width * info.height * 4)
  for (let i = 0; i < info.width * info.height; i++) {
    const letter = data[i] as number
    const dark = Math.min(255, (shadow[i] as number) * 1.3)
    rgba.fill(letter, i * 4, i * 4 + 3)
    rgba[i * 4 + 3] = Math.max(letter * 0.94, dark * 0.55)
  }
  return sharp(rgba, { raw: { width: info.width, height: info.height, channels: 4 } })
    .png({ compressionLevel: 1 })
    .toBuffer()
}

/** Coverage of built-in letters, enlarged and rounded off: one byte a pixel. */
function bitmap(lines: string[], scale: number) {
  const margin = 3
  const width = Math.max(...lines.map(line => line.length), 1) * advance + margin * 2
  const height = lines.length * lineHeight + margin * 2
  const small = Buffer.alloc(width * height)
  for (const [row, line] of lines.entries()) {
    for (const [column, character] of line.split('').entries()) {
      for (let x = 0; x < 5; x++) {
        const bits = glyphs[(character.charCodeAt(0) - 32) * 5 + x] ?? 0
        for (let y = 0; y < 8; y++) {
          if (bits & (1 << y)) small[(margin + row * lineHeight + y) * width + margin + column * advance + x] = 255
        }
      }
    }
  }
  return sharp(small, { raw: { width, height, channels: 1 } })
    .resize(width * scale, height * scale, { kernel: 'nearest' })
    .toColourspace('b-w')
    .raw()
    .toBuffer({ resolveWithObject: true })
}

/** Other scripts need a font of this machine; without one there are boxes. */
async function fontText(prompt: string, width: number, scale: number) {
  const escaped = prompt.slice(0, 120).replace(/[&<>]/g, character => `&#${character.charCodeAt(0)};`)
  const height = scale * lineHeight * 4
  try {
    const { data, info } = await sharp({
      text: { text: escaped, width: width - 24, dpi: scale * 60, wrap: 'word-char' },
    })
      .extractChannel(0)
      .extend({ top: 12, bottom: 12, left: 12, right: 12, background: '#000' })
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true })
    if (data.includes(255) && info.height <= height * 2) return { data, info }
  } catch {
    // No font system at all: the boxes below do.
  }
  return bitmap(wrap(prompt.slice(0, 60).replaceAll(/[^\x20-\x7e]/g, '#'), Math.floor(width / scale / advance)), scale)
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line && line.length + word.length >= columns) {
      lines.push(line)
      line = ''
    }
    line = `${line}${line && ' '}${word}`.slice(0, columns)
  }
  lines.push(line)
  if (lines.length > 3) lines.splice(2, lines.length, `${lines[2]?.slice(0, columns - 3)}...`)
  return lines
}
