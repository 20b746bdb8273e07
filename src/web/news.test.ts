import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { talk } from '../testing/conversations.ts'
import { alice } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
let app: TestApp
let browser: Browser
before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => browser?.close())

/** As if another tab were looked at, or this one again. */
async function look(page: Page, isHere: boolean): Promise<void> {
  await page.evaluate(hidden => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }, !isHere)
}

const iconOf = (page: Page) => page.getAttribute('link[rel="icon"]', 'href')

test('what is done while nobody looks is in the title and the icon of its tab, until somebody does', {
  skip,
}, async () => {
  const person = await alice(app)
  const { id } = await talk(app.db, person, 'hello')
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.fill('#prompt', 'a fox in the snow')
  await look(page, false)
  await page.click('.pay .primary')
  await page.waitForFunction(() => document.title.startsWith('(1) '))
  assert.match((await iconOf(page))!, /icon-news\.svg$/)
  await look(page, true)
  assert.match(await page.title(), /^Create/)
  assert.match((await iconOf(page))!, /\/icon\.svg$/)

  await page.goto(`/chat/${id}`)
  await page.fill('#say', 'and now?')
  const held = app.mock.control.fault({ match: { prompt: 'and now?' }, hold: 'before_headers' })
  await page.click('.send')
  await page.waitForSelector('.answer.writing')
  await look(page, false)
  app.mock.control.release(held)
  await page.waitForFunction(() => document.title.startsWith('('))
  assert.deepEqual(complaints, [])
})

test('the browser tells it only where that was switched on, and permitted', { skip }, async () => {
  const person = await alice(app)
  const { page, context, complaints } = await openPage(browser, app.url, person)
  await context.addInitScript(() => {
    const told: string[] = []
    class Told {
      static permission = sessionStorage.getItem('permitted') ?? 'default'
      static async requestPermission() {
        Told.permission = sessionStorage.getItem('answer') ?? 'denied'
        sessionStorage.setItem('permitted', Told.permission)
        return Told.permission
      }
      constructor(_title: string, { body }: { body: string }) {
        told.push(body)
      }
    }
    Object.assign(window, { Notification: Told, told })
  })
  const isPressed = () => page.getAttribute('[data-news="notify"]', 'aria-pressed')
  const make = async (prompt: string) => {
    await page.goto('/images')
    await page.fill('#prompt', prompt)
    await look(page, false)
    await page.click('.pay .primary')
    await page.waitForFunction(() => document.title.startsWith('(1) '))
    return page.evaluate(() => (window as unknown as { told: string[] }).told)
  }
  assert.deepEqual(await make('not asked for'), [])

  await page.goto('/account')
  await page.click('[data-news="notify"]')
  await page.waitForSelector('text=does not let this site show notifications')
  assert.equal(await isPressed(), 'false')
  await page.evaluate(() => sessionStorage.setItem('answer', 'granted'))
  await page.click('[data-news="notify"]')
  await page.waitForSelector('[data-news="notify"][aria-pressed="true"]')
  const told = await make('asked for')
  assert.equal(told.length, 1)
  assert.match(told[0]!, /asked for/)
  await page.goto('/account')
  await page.click('[data-news="notify"]')
  assert.equal(await isPressed(), 'false')
  assert.deepEqual(await make('not any more'), [])
  assert.deepEqual(complaints, [])
})
