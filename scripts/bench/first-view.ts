import type { Figure } from './main.ts'
import type { Site } from './site.ts'
import { type Visitor, visitor } from './visitor.ts'

const TARGET_KB = 60

/** What a browser with an empty cache loads to show a page: the page, its styles, scripts and icons, compressed. */
export async function firstView(site: Site): Promise<Figure[]> {
  const process = await site.run('web')
  const person = await site.signIn(process, 'newcomer')
  const figures = [
    await load('first view of the sign-in page', visitor(process.url), '/login'),
    await load('first view of Create, signed in', person, '/images'),
  ]
  await process.stop()
  return figures
}

async function load(name: string, browser: Visitor, page: string): Promise<Figure> {
  const compressed = { 'Accept-Encoding': 'br, gzip' }
  let bytes = (await browser.get(page, compressed)).wire
  const { text: html } = await browser.get(page)
  // Modules name each other by relative paths, and the page preloads them all: their addresses are in it.
  const addresses = new Set([...html.matchAll(/(?:href|src)="(\/static\/[^"#]+)/g)].map(match => match[1]!))
  const missing: string[] = []
  for (const address of addresses) {
    const answer = await browser.get(address, compressed)
    bytes += answer.wire
    if (answer.status !== 200) missing.push(address)
  }
  if (missing.length > 0) throw new Error(`${page} names what is not there: ${missing.join(', ')}`)
  const kb = bytes / 1000
  return {
    name,
    target: `≤ ${TARGET_KB} KB`,
    measured: `${kb.toFixed(1)} KB in ${addresses.size + 1} requests`,
    met: kb <= TARGET_KB,
  }
}
