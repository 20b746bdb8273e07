import type { Browser } from 'playwright-core'
import { noChromium, startChromium } from '../../src/testing/chromium.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Process, Site } from './site.ts'

const TIMES = 9
const MOST_MS = 50

/** How long a page with few and with many pictures is blocked by one that opens large: script, style and layout. */
export async function lightbox(site: Site): Promise<Figure[]> {
  if (noChromium) return []
  const app = await site.run('web')
  const browser = await startChromium()
  try {
    const figures: Figure[] = []
    for (const count of [10, 1000]) {
      const ms = await openingTime(site, app, browser, count)
      figures.push({
        name: `lightbox: a picture opens, with ${count} on the page, p50`,
        target: `≤ ${MOST_MS} ms`,
        measured: `${ms.toFixed(1)} ms`,
        met: ms <= MOST_MS,
      })
    }
    return figures
  } finally {
    await browser.close()
    await app.stop()
  }
}

async function openingTime(site: Site, app: Process, browser: Browser, count: number): Promise<number> {
  const name = `looker${count}`
  const person = await site.signIn(app, name)
  await site.db.pool.query(
    `with looker as (select id from users where email like $1 || '@%'), file as (
       insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select md5($1 || i), id, sha256(($1 || i)::bytea), 1500000, 'png', 1024 + 512 * (i % 2), 1024, false, '#778899'
       from looker, generate_series(1, $2::int) i returning token, user_id, width, height, bytes)
     insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
     select user_id, token, 'gpt-image-2', 'a heron', '1024x1024', 'high', width, height, bytes from file`,
    [name, count],
  )
  const context = await browser.newContext({ baseURL: app.url, viewport: { width: 1440, height: 900 } })
  await context.addCookies([{ name: 'sid', value: /sid=([^;]+)/.exec(person.cookies())![1]!, url: app.url }])
  const page = await context.newPage()
  await page.goto('/library')
  await page.waitForFunction(least => {
    scrollTo(0, document.documentElement.scrollHeight)
    return document.querySelectorAll('.cell').length >= least
  }, count)
  const times = await page.evaluate(async times => {
    const dialog = document.querySelector<HTMLDialogElement>('#lightbox')!
    const links = [...document.querySelectorAll<HTMLElement>('a[data-picture]')]
    const found: number[] = []
    for (let each = 0; each < times; each++) {
      const link = links[Math.floor((links.length * each) / times)]!
      const start = performance.now()
      link.click()
      // Until it is laid out.
      dialog.getBoundingClientRect()
      found.push(performance.now() - start)
      await new Promise(resolve => {
        dialog.addEventListener('close', resolve, { once: true })
        history.back()
      })
    }
    return found
  }, TIMES)
  await context.close()
  return median(times)
}
