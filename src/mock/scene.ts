import { createHash } from 'node:crypto'

type Rgb = readonly [number, number, number]

interface Palette {
  /** From the zenith to the horizon. */
  sky: Rgb[]
  light: Rgb
  far: Rgb
  near: Rgb
  night?: boolean
}

type Land = 'mountains' | 'dunes' | 'sea' | 'forest'

const palettes: Record<string, Palette> = {
  dawn: palette('2f4171 7b6fa3 e3a09a fbdcb4', 'fff3d6', 'b893a6', '1d2140'),
  vermilion: palette('34194a 9c3a5e ee7a4c fcc985', 'fff0c4', 'b85a63', '1c1026'),
  teal: palette('0f4a5b 4c9a9c b7dbc7 f6f0d2', 'fffbe6', '84b3aa', '0a2831'),
  night: palette('060a1d 121b45 2a3c7c 6b83bd', 'f6f3e4', '33497f', '050813', true),
  desert: palette('3f86b3 9fcbd6 f3e1bd f8c987', 'fff6da', 'dda874', '64341f'),
  snow: palette('86a6cc bfd3e6 e9eff4 fdf1e6', 'ffffff', 'cbd7e5', '4d6484'),
  mist: palette('83ab9d b4cbb9 e1e5cd f8f1da', 'fffdf0', 'a6bdac', '132a25'),
  violet: palette('1a1042 4a2a7d a44f99 f6a5a0', 'ffe3cf', '80508f', '120a28'),
  rose: palette('7d6a9c c78fa6 f2b8ac fde4cb', 'fff8ea', 'c58f9c', '3a2238'),
  azure: palette('174f8f 4f97cc a9d6e8 f4f6e4', 'ffffff', '7faecb', '0d2b4d'),
}

const hints: [RegExp, { palette?: string; land?: Land }][] = [
  [/night|moon|star|夜|月|星/i, { palette: 'night' }],
  [/sunset|dusk|fire|red|日落|黄昏|红/i, { palette: 'vermilion' }],
  [/sunrise|dawn|morning|日出|清晨|早/i, { palette: 'dawn' }],
  [/snow|winter|ice|雪|冬|冰/i, { palette: 'snow' }],
  [/fog|mist|rain|雾|雨/i, { palette: 'mist' }],
  [/violet|purple|neon|紫|霓虹/i, { palette: 'violet' }],
  [/blue|蓝/i, { palette: 'azure' }],
  [/sea|ocean|lake|beach|boat|water|lighthouse|海|湖|船|水|灯塔/i, { land: 'sea' }],
  [/forest|tree|wood|pine|garden|森|树|林/i, { land: 'forest' }],
  [/desert|dune|sand|沙/i, { land: 'dunes', palette: 'desert' }],
  [/mountain|hill|valley|山|谷/i, { land: 'mountains' }],
]

/**
 * Paints a landscape as raw RGB, `width * height * 3` bytes. The seed alone decides about it; words in the prompt
 * choose the hour and the land.
 */
export function paintScene(prompt: string, seed: string, width: number, height: number): Buffer {
  const random = randomFrom(seed)
  const chosen = hints.filter(([words]) => words.test(prompt)).map(([, hint]) => hint)
  const any = pick(random, Object.keys(palettes))
  const colours = palettes[chosen.find(hint => hint.palette)?.palette ?? any] as Palette
  const anyLand = pick(random, ['mountains', 'mountains', 'dunes', 'sea', 'forest'] as Land[])
  const land = chosen.find(hint => hint.land)?.land ?? anyLand

  const unit = Math.sqrt(width * height)
  const horizon = height * (land === 'sea' ? 0.56 + random() * 0.08 : 0.44 + random() * 0.14)
  const light = { x: width * (0.22 + random() * 0.56), y: horizon - height * (0.06 + random() * 0.24) }
  const radius = unit * (colours.night ? 0.035 + random() * 0.015 : 0.045 + random() * 0.035)
  const pixels = Buffer.allocUnsafe(width * height * 3)

  paintSky()
  if (land === 'sea') paintSea()
  paintLand()
  return pixels

  function paintSky() {
    const bands = noise(random)
    const glow = mix(colours.light, colours.sky.at(-1) as Rgb, 0.25)
    for (let y = 0; y < height; y++) {
      const base = stops(colours.sky, Math.min(1, (y / horizon) ** 0.9))
      for (let x = 0; x < width; x++) {
        const distance = Math.hypot(x - light.x, y - light.y) / unit
        // Thin clouds: stretched noise, seen best near the horizon.
        const cloud = fbm(bands, (x / unit) * 2.2 + y / unit, (y / unit) * 13)
        const lit = Math.max(0, cloud - 0.52) * 1.5 * Math.min(1, y / horizon + 0.15)
        const halo = Math.exp(-distance * 5.5) * (colours.night ? 0.4 : 0.62)
        const disc = clamp((radius - distance * unit) / Math.max(1, unit * 0.0016) + 0.5)
        let colour = mix(base, glow, clamp(halo + lit * 0.55))
        if (disc > 0) colour = mix(colour, colours.light, disc)
        put(x, y, colour)
      }
    }
    if (colours.night) paintStars()
  }

  function paintStars() {
    for (let i = 0; i < 420; i++) {
      const x = Math.floor(random() * width)
      const y = Math.floor(random() ** 1.4 * horizon)
      const strength = random() ** 3 * 0.9 + 0.08
      if (Math.hypot(x - light.x, y - light.y) < radius * 1.6) continue
      const size = random() < 0.08 ? 2 : 1
      for (let dy = 0; dy < size; dy++)
        for (let dx = 0; dx < size; dx++) blend(x + dx, y + dy, [255, 252, 240], strength)
    }
  }

  /** The sky upside down, darker and broken by waves, with a path of light under the sun. */
  function paintSea() {
    const waves = noise(random)
    for (let y = Math.ceil(horizon); y < height; y++) {
      const depth = (y - horizon) / (height - horizon)
      const mirrored = stops(colours.sky, 1 - depth * 0.85)
      const base = mix(mix(mirrored, colours.far, 0.35), colours.near, 0.1 + depth * 0.5)
      const stretch = 1 / (0.02 + depth)
      const path = unit * (0.03 + depth * 0.22)
      for (let x = 0; x < width; x++) {
        const wave = fbm(waves, (x / unit) * 9 * Math.sqrt(stretch) * 0.4, (y / unit) * 26 * Math.sqrt(stretch))
        const glitter = clamp((wave - 0.5) * 7) * Math.exp(-(((x - light.x) / path) ** 2)) * (1 - depth * 0.55)
        put(x, y, mix(mix(base, colours.near, clamp(0.55 - wave) * 0.5), colours.light, glitter * 0.8))
      }
    }
  }

  /** Ridges from far to near, each darker than the one behind it, with mist at their feet. */
  function paintLand() {
    const layers = land === 'sea' ? 2 : land === 'dunes' ? 4 : 6
    const haze = colours.sky.at(-1) as Rgb
    for (let layer = 0; layer < layers; layer++) {
      const depth = layer / Math.max(1, layers - 1)
      const line = noise(random)
      const shade = noise(random)
      const offset = random() * 100
      const colour = mix(mix(colours.far, haze, 0.3 * (1 - depth)), colours.near, depth ** 1.15)
      const sea = land === 'sea'
      const base = sea
        ? layer === 0
          ? horizon
          : height * (0.93 + random() * 0.03)
        : horizon + (height * 1.02 - horizon) * (0.02 + 0.8 * depth ** 1.25)
      const tall = unit * (sea ? (layer === 0 ? 0.06 : 0.1) : land === 'dunes' ? 0.19 : 0.17 - depth * 0.06)
      const rough = land === 'dunes' ? 2 : land === 'forest' ? 3 : 5
      const scale = (land === 'dunes' ? 1.6 : 2.2) - depth * 0.7
      const foot = unit * (0.16 + depth * 0.25)
      for (let x = 0; x < width; x++) {
        const at = (x / unit) * scale + offset
        let hill = ridge(line, at, rough) - 0.5
        if (sea) hill = layer === 0 ? Math.max(-0.2, hill + ((x - light.x) / width) * 0.9 - 0.12) : hill - 0.1
        let top = base - hill * tall * 2
        if (land === 'forest' && layer > 1)
          top -= pines(line, (x / unit) * (64 - depth * 34) + offset) * unit * (0.012 + depth * 0.05)
        const end = sea && layer === 0 ? Math.ceil(horizon) : height
        for (let y = Math.max(0, Math.floor(top)); y < end; y++) {
          const mist = clamp((y - top) / foot) * (1 - depth) * 0.62
          const grain = (fbm(shade, at * 3 + y / unit, (y / unit) * 5) - 0.5) * 0.12
          const lit = Math.exp(-(y - top) / (unit * 0.03)) * 0.12 * Math.exp(-Math.abs(x - light.x) / (unit * 0.5))
          const body = mix(mix(colour, haze, clamp(mist)), colours.light, clamp(lit + Math.max(0, grain)))
          const solid = grain < 0 ? mix(body, colours.near, -grain) : body
          blend(x, y, solid, clamp(y - top + 1))
        }
      }
    }
  }

  function put(x: number, y: number, colour: Rgb) {
    const at = (y * width + x) * 3
    pixels[at] = colour[0]
    pixels[at + 1] = colour[1]
    pixels[at + 2] = colour[2]
  }

  function blend(x: number, y: number, colour: Rgb, share: number) {
    if (x >= width || y >= height) return
    const at = (y * width + x) * 3
    for (let i = 0; i < 3; i++) {
      const old = pixels[at + i] as number
      pixels[at + i] = old + ((colour[i] as number) - old) * share
    }
  }
}

/** Pine tops: triangles of uneven height side by side, 0 to 1. */
function pines(line: Float64Array, x: number) {
  const tree = Math.floor(x)
  const tall = 0.35 + 0.65 * (line[(tree * 37) & 255] as number)
  return tall * (1 - Math.abs((x - tree) * 2 - 1)) ** 1.15
}

function ridge(line: Float64Array, x: number, octaves: number) {
  let sum = 0
  let size = 0.5
  let at = x
  for (let i = 0; i < octaves; i++) {
    sum += size * smooth(line, at, 17 * i)
    at *= 2.1
    size *= 0.46
  }
  return sum
}

/** Three octaves of value noise over the plane, about 0 to 1. */
function fbm(table: Float64Array, x: number, y: number) {
  return 0.57 * plane(table, x, y) + 0.29 * plane(table, x * 2.1, y * 2.1) + 0.14 * plane(table, x * 4.3, y * 4.3)
}

function plane(table: Float64Array, x: number, y: number) {
  const row = Math.floor(y)
  const a = smooth(table, x, row * 57)
  const b = smooth(table, x, (row + 1) * 57)
  const t = y - row
  return a + (b - a) * t * t * (3 - 2 * t)
}

function smooth(table: Float64Array, x: number, shift: number) {
  const cell = Math.floor(x)
  const a = table[(cell + shift) & 255] as number
  const b = table[(cell + 1 + shift) & 255] as number
  const t = x - cell
  return a + (b - a) * t * t * (3 - 2 * t)
}

function noise(random: () => number) {
  return Float64Array.from({ length: 256 }, random)
}

function stops(colours: Rgb[], t: number): Rgb {
  const at = clamp(t) * (colours.length - 1)
  const index = Math.min(colours.length - 2, Math.floor(at))
  return mix(colours[index] as Rgb, colours[index + 1] as Rgb, at - index)
}

function mix(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

function clamp(value: number) {
  return Math.min(1, Math.max(0, value))
}

function pick<T>(random: () => number, from: T[]): T {
  return from[Math.floor(random() * from.length)] as T
}

/** A small seeded generator (mulberry32): the same seed, the same picture. */
function randomFrom(seed: string) {
  let state = createHash('sha256').update(seed).digest().readUInt32LE(0)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

function palette(sky: string, light: string, far: string, near: string, night = false): Palette {
  return { sky: sky.split(' ').map(rgb), light: rgb(light), far: rgb(far), near: rgb(near), night }
}

function rgb(hex: string): Rgb {
  const value = Number.parseInt(hex, 16)
  return [value >> 16, (value >> 8) & 255, value & 255]
}
