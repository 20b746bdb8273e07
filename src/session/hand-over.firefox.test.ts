import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Firefox, noFirefox, startFirefox } from '../testing/firefox.ts'
import { menuSite } from '../testing/menu-site.ts'
import { signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'

const site = await menuSite()
const app = await testApp({ embedOrigin: site.origin, publicOrigin: 'http://127.0.0.1' })
const email = 'fox@example.com'

let firefox: Firefox
before(async () => {
  if (noFirefox) return
  firefox = await startFirefox()
  await makePicture(app, await signedIn(app, email), 'a fox')
  const token = app.mock.control.user(email).accessTokens.at(-1)!
  const fixed = { user_id: '1', token, theme: 'dark', lang: 'en', ui_mode: 'embedded', src_host: site.origin }
  site.open(`${app.url}/library?${new URLSearchParams(fixed)}`)
})
after(async () => firefox?.close())

/** What shows this path, once it is ready. */
function contextAt(path: string): Promise<string> {
  return until(`${path} in Firefox`, async () => {
    const found = (await firefox.contexts()).find(({ url }) => url === app.url + path)
    const isReady = found && (await firefox.evaluate(found.context, `document.readyState === 'complete'`))
    return isReady === true && found.context
  })
}

test('in Firefox people are signed in in the frame, download there, and open windows that are signed in too', {
  skip: noFirefox,
}, async () => {
  await firefox.open(site.origin)
  const frame = await contextAt('/library')
  assert.equal(await firefox.evaluate(frame, 'document.documentElement.dataset.theme'), 'dark')
  assert.equal(await firefox.evaluate(frame, 'document.referrer'), '')

  await firefox.click(frame, '.rail a[href="/account"]', { control: true })
  const opened = await contextAt('/account')
  assert.match(String(await firefox.evaluate(opened, `document.querySelector('.page-head').innerText`)), /fox@/)

  const id = await firefox.evaluate(frame, `document.querySelector('[data-picture]').dataset.picture`)
  await firefox.evaluate(frame, `location.assign('/library/${String(id)}')`)
  const picture = await contextAt(`/library/${String(id)}`)
  await firefox.click(picture, '.facts-actions a[href*="download="]')
  // A part of it stands there first, under another name.
  await until('a picture among the downloads', async () => {
    const names = await readdir(firefox.downloads).catch(() => [])
    return names.some(name => name.endsWith('.png'))
  })
})
