import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { installedChromium } from './chromium-from-npm.ts'
import type { Person } from './people.ts'

const found = installedChromium()

/** Why tests in a real browser cannot run here; false where they can. `CHROMIUM` names one that is not found by itself. */
export const noChromium: string | false = found ? false : 'there is no Chromium here'

export async function startChromium(): Promise<Browser> {
  const args =
    '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
  const { CHROMIUM_LIBRARIES: libraries, CHROMIUM_FONTS: fonts, ...env } = process.env
  return chromium.launch({
    executablePath: found!,
    args: args.split(' '),
    env: { ...env, ...(libraries && { LD_LIBRARY_PATH: libraries }), ...(fonts && { FONTCONFIG_FILE: fonts }) },
  })
}

/** A page of a person who is signed in already. What it complains about, errors and refused requests, is in `complaints`. */
export async function openPage(
  browser: Browser,
  url: string,
  person: Person,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 860 },
    locale: 'en',
    baseURL: url,
    ...options,
  })
  await context.addCookies([{ name: 'sid', value: person.cookie('sid')!, url }])
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`.trim())
  })
  page.on('pageerror', error => complaints.push(String(error)))
  page.setDefaultTimeout(30_000)
  return { page, context, complaints }
}
