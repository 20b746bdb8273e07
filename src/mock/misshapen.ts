import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import type { Fault } from './faults.ts'
import { asPicture, type Picture } from './pictures.ts'

/** A picture that is wrong, or only unusual, in the named way. */
export async function misshapen(picture: Picture, how: NonNullable<Fault['picture']>): Promise<Picture> {
  const { width, height, bytes } = picture
  const spelled = (write: (base64: string) => string) => ({
    ...picture,
    base64: Buffer.from(write(picture.base64.toString('latin1')), 'latin1'),
  })
  switch (how) {
    case 'data_url':
      return spelled(base64 => `data:image/png;base64,${base64}`)
    case 'url_alphabet':
      return spelled(base64 => base64.replaceAll('+', '-').replaceAll('/', '_'))
    case 'line_feeds':
      return spelled(base64 => `\\r\\n ${base64.replaceAll(/.{76}/g, '$&\\r\\n')} \\n`)
    case 'unpadded':
      return spelled(base64 => base64.replace(/=+$/, ''))
    case 'spoilt_end':
      return spelled(base64 => `${base64.slice(0, (base64.length * 3) >> 2)}<truncated>`)
    case 'no_end_marker':
      return asPicture((await sharp(bytes).jpeg().toBuffer()).subarray(0, -2), width, height)
    case 'gif':
      return asPicture(await sharp(bytes).gif({ effort: 1 }).toBuffer(), width, height)
    case 'avif':
      return asPicture(await sharp(bytes).avif({ effort: 0 }).toBuffer(), width, height)
    case 'garbage_base64':
      return { ...picture, base64: Buffer.from('!!this is not base64!!') }
    case 'not_an_image':
      return asPicture(Buffer.from('<html><script>alert(1)</script></html>'), width, height)
    case 'truncated':
      return asPicture(bytes.subarray(0, bytes.length >> 1), width, height)
    case 'empty':
      return asPicture(Buffer.alloc(0), width, height)
    case 'escaped':
      // Legal JSON that few writers make: escaped slashes, and line breaks inside the base64.
      return spelled(base64 => base64.replaceAll(/.{76}/g, '$&\\n').replaceAll('/', '\\/'))
    case 'huge':
      return { ...picture, base64: Buffer.alloc(120 * 1024 * 1024, 'A') }
    case 'bomb':
      return asPicture(blackPng(20_000, 20_000), width, height)
  }
}

/** A PNG of a few kilobytes that unpacks to gigabytes: one bit a pixel, all black. */
function blackPng(width: number, height: number) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 1
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height))
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer) {
  const body = Buffer.concat([Buffer.from(type), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
