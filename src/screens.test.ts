import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { boundKey } from './testing/agents.ts'
import { noChromium, openPage, startChromium } from './testing/chromium.ts'
import { hindrances } from './testing/hindrances.ts'
import { ask, jobEnd, jobIn } from './testing/jobs.ts'
import { alice, type Person, signedIn } from './testing/people.ts'
import { makePicture } from './testing/pictures.ts'
import { testApp, until } from './testing/server.ts'
import { someOf } from './testing/some-of.ts'
import { zipOf } from './testing/zip.ts'

const app = await testApp({ embedOrigin: 'https://gateway.example.com', statusPage: true })
const { mock } = app

const guest = { cookie: () => 'nobody' } as unknown as Person

let browser: Browser
let newcomer: Person
/** Has given the password, but not yet the code. */
let halfway: Person
/** Come by the gateway's menu, and have yet to say so: to nobody's session, and to that of somebody else. */
let handed: Person
let switching: Person
let person: Person
/** May look at what was reported. */
let operator: Person
/** Addresses that guests may open too. */
const shown: string[] = []
/** Addresses of somebody who has everything there is to be seen. */
const screens: string[] = []
before(async () => {
  if (noChromium) return
  browser = await startChromium()
  newcomer = await signedIn(app, 'nokeys@example.com')
  halfway = Object.assign(app.browser(), { email: '2fa@example.com' })
  await halfway.post('/login', { email: halfway.email, password: 'a password' })
  handed = Object.assign(app.browser(), { email: '' })
  switching = await signedIn(app, 'switching@example.com')
  const [token] = mock.control.user(newcomer.email).accessTokens
  for (const who of [handed, switching]) assert.equal((await who.get(`/library?token=${token}&user_id=1`)).status, 303)
  person = await alice(app)
  const failed = await ask(person, 'refused #fail-policy')
  const lost = await ask(person, 'lost #fail-end')
  const done = await ask(person, 'a lighthouse in the rain', { n: '2' })
  for (const id of [failed, lost, done]) await jobEnd(app.db, id)
  mock.control.fault({ match: { prompt: 'a long wait' }, times: 2, hold: 'after_partial' })
  const running = await ask(person, 'a long wait', { n: '4' })
  await jobIn(app.db, running, 'running')

  const library = await person.get('/library')
  const [first, second] = library.html
    .querySelectorAll('[data-picture]')
    .map(link => link.getAttribute('data-picture')!)
  await person.post(`/library/${first}/favourite`, { favourite: 'on' })
  const composer = await person.get(`/images?reference=${first}`)
  const editor = composer.html.querySelector('[data-mask-editor]')!.getAttribute('href')!
  const batch = await person.get('/images/batch')
  const submission = batch.html.querySelector('[name="submission"]')!.getAttribute('value')!
  const started = await person.post('/images/batch', { prompts: 'one boat\ntwo boats', step: 'start', submission })
  const answered = await person.post('/chat', { text: 'show #table and #code' })
  const offered = await person.post('/chat', { text: 'please draw a picture of a lighthouse' })
  for (const { location } of [answered, offered])
    await until('an answer', async () => (await person.get(location)).html.querySelector('.answer.state-done'))
  await boundKey(app, person)
  const agent = (await person.get('/agents')).html.querySelector('.key-row a')!.getAttribute('href')!

  screens.push('/images', `/images/${running}`, `/images/${failed}`, `/images/${lost}`, `/images/${done}`)
  screens.push('/images/batch', started.location, editor)
  screens.push('/library', '/library?filter=favourites', '/library/trash', `/library/${first}`)
  screens.push(...['crop', 'marks', 'extend', 'cut-out'].map(tool => `/derive/${first}/${tool}`))
  screens.push(`/library/compare?a=${first}&b=${second}`, '/chat', answered.location, offered.location)
  const receipt = (await person.get(`/images/${done}`)).html.querySelector('.receipt a')!.getAttribute('href')!
  screens.push('/agents', agent, '/account', '/nowhere', '/palette', '/palette?q=boat')
  screens.push('/spend?range=week&by=key', '/spend?range=today&by=kind&elsewhere=yes', receipt)

  const described = { name: 'Alice', prompt: 'on', settings: 'on' }
  const exhibit = (await person.post('/gallery/share', { picture: first!, where: 'gallery', ...described })).location
  const link = (await person.post('/gallery/share', { picture: second!, where: 'link', ...described })).location
  await person.post('/library/selection', { act: 'move', id: first!, folder: 'Harbour walks, 港口' })
  await person.post('/library/selection', { act: 'tag', id: `${first},${second}`, tags: 'night, 灯塔' })
  await person.post('/library/folders', { name: 'Rain', query: 'q=rain' })
  await person.post('/exports', { id: `${first},${second}` })
  const spare = await makePicture(app, person, 'a spare one')
  await person.post(`/library/${spare.id}/delete`)
  await newcomer.post(`${exhibit}/report`, { reason: 'rights', words: 'This is my boat.' })
  operator = await signedIn(app, 'admin@example.com')
  shown.push('/gallery', '/gallery?q=nothing', exhibit, link)
  const folder = (await person.get('/library/folders')).html.querySelector('.folder-name')!.getAttribute('href')!
  const share = `/gallery/share?picture=${first}`
  screens.push(
    ...shown,
    share,
    '/gallery/mine',
    '/library/folders',
    folder.replaceAll('&amp;', '&'),
    '/library/filters',
  )
  await person.post('/prompts', { prompt: 'A {place} in the rain' })
  screens.push(
    '/prompts',
    '/images?q=lighthouse',
    '/library?q=nothing',
    '/library/storage',
    `/library/${spare.id}`,
    '/exports',
    '/imports',
    '/spend/budgets',
    '/account/delete',
  )
  const zip = zipOf([{ name: 'notes.txt', content: 'what we saw' }])
  screens.push((await person.upload('/imports', [['holiday.zip', zip]])).location)
})
after(async () => browser?.close())

// The last is a window of 1280 px at 200 %.
const glances = [
  { theme: 'light', language: 'en', size: { width: 1280, height: 860 }, touch: false, share: 1 },
  { theme: 'dark', language: 'zh-CN', size: { width: 320, height: 640 }, touch: true, share: 1 },
  { theme: 'dark', language: 'en', size: { width: 640, height: 430 }, touch: false, share: 3 },
]

for (const { theme, language, size, touch, share } of glances) {
  test(`every screen, ${theme}, ${language}, ${size.width} px wide: nothing to hinder a reader, and no complaint`, {
    skip: noChromium,
  }, async () => {
    const options = { viewport: size, hasTouch: touch, isMobile: touch, colorScheme: theme as 'light' | 'dark' }
    const visits = [
      { who: guest, paths: ['/login', '/status', ...shown] },
      { who: halfway, paths: ['/login/2fa'] },
      { who: handed, paths: ['/hand-over', '/hand-over?failed=refused', '/hand-over?failed=busy'] },
      { who: switching, paths: ['/hand-over', '/hand-over?failed=gateway'] },
      {
        who: operator,
        paths: [
          '/gallery/reports',
          shown[2]!,
          '/admin',
          '/admin/queue',
          '/admin/people',
          `/admin/people/${mock.control.user(person.email).id}`,
          '/admin/money',
          '/admin/bulletin',
          '/admin/log',
        ],
      },
      {
        who: newcomer,
        paths: ['/images', '/library', '/chat', '/agents', '/account', '/gallery/mine', '/exports', '/spend'],
      },
      { who: person, paths: screens },
    ]
    const found: string[] = []
    for (const { who, paths } of visits) {
      const { page, context, complaints } = await openPage(browser, app.url, who, options)
      const choices = { theme, lang: language }
      await context.addCookies(Object.entries(choices).map(([name, value]) => ({ name, value, url: app.url })))
      for (const path of someOf(paths, share)) {
        await page.goto(path)
        const html = page.locator('html')
        const chosen = [await html.getAttribute('lang'), await html.getAttribute('data-theme')]
        assert.deepEqual(chosen, [language, theme], path)
        found.push(...(await hindrances(page, { looks: theme !== 'light' })).map(hindrance => `${path}: ${hindrance}`))
      }
      await context.close()
      found.push(...complaints.filter(complaint => !complaint.endsWith('/nowhere')))
    }
    assert.deepEqual(found, [])
  })
}
