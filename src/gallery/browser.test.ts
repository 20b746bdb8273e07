import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { copies } from '../testing/exhibits.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
const COUNT = 150
let app: TestApp
let browser: Browser
before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => browser?.close())

test('the gallery grows while somebody looks down it, likes what came, and is found again as far down', {
  skip,
}, async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'one of many herons')
  const fields = { picture: picture.id, where: 'gallery', prompt: 'on', settings: 'on', name: 'Alice' }
  const first = (await owner.post('/gallery/share', fields)).location.split('/').at(-1)!
  await copies(app, first, COUNT - 1)

  for (const person of [await charlie(app), { cookie: () => 'nobody' } as unknown as Person]) {
    const { page, complaints } = await openPage(browser, app.url, person)
    await page.goto('/gallery')
    await page.waitForFunction(count => {
      scrollTo(0, document.documentElement.scrollHeight)
      return document.querySelectorAll('.exhibit').length === count
    }, COUNT)
    assert.equal(await page.locator('#older').count(), 0)
    const ids = await page.locator('.exhibit').evaluateAll(all => all.map(({ id }) => id))
    assert.equal(new Set(ids).size, COUNT)
    const far = page.locator('.exhibit').nth(90)
    if (await page.locator('.like button').count()) {
      await far.locator('.like button').click()
      await far.locator('.like [aria-pressed="true"]').waitFor()
    }
    await far.scrollIntoViewIfNeeded()
    const stands = await page.evaluate(() => scrollY)
    await far.locator('.media').click()
    await page.waitForURL(/gallery\/[0-9a-f-]{36}/)
    await page.goBack()
    await page.waitForFunction(id => document.getElementById(id), ids[90]!)
    await page.waitForFunction(y => Math.abs(scrollY - y) < 400, stands)
    assert.deepEqual(complaints, [])
    await page.close()
  }
})
