import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Prices, tierOf } from '../account/prices.ts'
import { groupIds } from '../mock/groups.ts'
import { defaultModel } from '../models/image-models.ts'
import { refuseSize } from '../models/sizes.ts'
import type { Page } from '../testing/browser.ts'
import { ask, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'
import { adviseOn } from './advice.ts'

// What is advised before paying: on the real price list of the key, quiet, and taken by one press.

const app = await testApp()
const { control } = app.mock
const htmx = { htmx: true }
const adviceOn = (page: Page) => page.html.querySelector('#advice')?.text.replace(/\s+/g, ' ').trim() ?? ''
const pressOf = (page: Page) => page.html.querySelector('#advice button')!.getAttribute('value')!
const quoteOf = (person: Person, fields: Record<string, string>) =>
  person.get(`/images/quote?${new URLSearchParams(fields)}`, htmx)

/** Every size that the model makes: 29,146. */
function* legalSizes(): Generator<[number, number]> {
  for (let width = 16; width <= 3840; width += 16)
    for (let height = 16; height <= 3840; height += 16) {
      const [short, long] = [Math.min(width, height), Math.max(width, height)]
      const pixels = width * height
      if (long <= 3 * short && pixels >= 655_360 && pixels <= 8_294_400) yield [width, height]
    }
}

const lists: [what: string, prices: Prices][] = [
  ['by default', { '1K': 0.134, '2K': 0.201, '4K': 0.268 }],
  ['with one price for all', { '1K': 0.1, '2K': 0.1, '4K': 0.1 }],
  ['where the largest is cheapest', { '1K': 0.2, '2K': 0.1, '4K': 0.05 }],
  ['where the middle is dearest', { '1K': 0.05, '2K': 0.3, '4K': 0.1 }],
]
for (const [what, prices] of lists) {
  test(`of none of all sizes is anything advised that is dearer, illegal or of another shape, ${what}`, () => {
    const wanted = { keyId: 1, keyName: 'Main', keyPrices: prices, keyState: null, otherKeys: [] }
    let count = 0
    let given = 0
    for (const [width, height] of legalSizes()) {
      count++
      const size = `${width}x${height}`
      const request = { model: 'gpt-image-2', size, quality: 'high', n: 1, references: [] }
      for (const hushedAdvice of [[], ['smaller']]) {
        const advice = adviseOn({ ...wanted, hushedAdvice }, request, { previews: 0, byTokens: null })
        if (!advice) continue
        given++
        assert.ok(advice.kind === 'smaller' || advice.kind === 'larger')
        const [wide, high] = advice.size.split('x').map(Number) as [number, number]
        const [before, then] = [prices[tierOf(size)!], prices[tierOf(advice.size)!]]
        const told = `${advice.size} for ${size}`
        assert.equal(refuseSize(defaultModel, advice.size), null, told)
        assert.ok(Math.abs(wide / high / (width / height) - 1) <= 0.03, told)
        assert.equal(wide >= high, width >= height, told)
        assert.ok(advice.kind === 'smaller' ? then < before : then <= before, told)
        if (advice.kind === 'smaller') assert.deepEqual([advice.usd, advice.before], [then, before])
        else assert.ok(wide * high > width * height, told)
      }
    }
    assert.equal(count, 29_146)
    assert.ok(given > 1000)
  })
}

describe('the composer', () => {
  test('says of a size what is larger for the same, and takes it by one press, with what was typed', async () => {
    const person = await alice(app)
    const quoted = await quoteOf(person, { size: '1536x1024' })
    assert.match(adviceOn(quoted), /^2048 × 1360 costs the same here\./)
    const form = { prompt: 'typed <before>', size: '1536x1024', press: pressOf(quoted) }
    const taken = await person.post('/images/advice', form, htmx)
    assert.equal(taken.html.querySelector('#prompt')!.text.trim(), 'typed <before>')
    assert.equal(taken.html.querySelector('[name=width]')!.getAttribute('value'), '2048')
    assert.match(taken.html.querySelector('.price')!.text, /\$0\.201/)
    assert.equal(adviceOn(taken), '', 'there is nothing better')
    assert.equal((await person.post('/images/advice', { ...form, prompt: 'without JavaScript' })).location, '/images')
    const page = await person.get('/images')
    assert.equal(page.html.querySelector('#prompt')!.text.trim(), 'without JavaScript')
    assert.equal(page.html.querySelector('[name=height]')!.getAttribute('value'), '1360')
  })

  test('says what one step smaller is billed, in both languages, and is silent once that is not wanted', async () => {
    const person = await alice(app)
    assert.match(
      adviceOn(await quoteOf(person, { size: '1280x1024', n: '2' })),
      /1024 × 816 is billed as 1K: \$0\.268 instead of \$0\.402/,
    )
    await person.post('/preferences', { language: 'zh-CN', back: '/images' })
    assert.match(
      adviceOn(await quoteOf(person, { size: '1280x1024' })),
      /1024 × 816 按 1K 计费：\$0\.134，而不是 \$0\.201/,
    )
    await person.post('/preferences', { language: 'en', back: '/images' })
    const hushed = await person.post('/images/advice', { prompt: 'x', size: '1280x1024', press: 'hush:smaller' }, htmx)
    assert.match(adviceOn(hushed), /2048 × 1632 costs the same/, 'one at a time')
    await person.post('/images/advice', { prompt: 'x', size: '1280x1024', press: 'hush:larger' })
    assert.equal(adviceOn(await person.get('/images')), '')
    assert.match(adviceOn(await quoteOf(await charlie(app), { size: '1280x1024' })), /1024 × 816/)
    const account = await person.get('/account')
    await person.post(account.html.querySelector('#advice form')!.getAttribute('action')!)
    assert.match(adviceOn(await quoteOf(person, { size: '1280x1024' })), /1024 × 816/)
    for (const press of ['hush:everything else', 'key', 'size:', ''])
      assert.ok([400, 422].includes((await person.post('/images/advice', { press })).status), press)
  })

  test('says which other key is cheaper, and pays with that', async () => {
    const person = await alice(app)
    const cheap = control.addKey(person.email, { name: 'Half', group_id: groupIds.halfPrice })
    await person.get('/account')
    const quoted = await quoteOf(person, { size: '1024x1024', n: '3' })
    assert.match(adviceOn(quoted), /Another of your keys is cheaper for this: \$0\.201 instead of \$0\.402\. Use Half/)
    const form = { prompt: 'for half', size: '1024x1024', press: pressOf(quoted) }
    const taken = await person.post('/images/advice', form, htmx)
    assert.match(taken.html.querySelector('hx-partial[hx-target="#key"]')!.text, /Half/)
    assert.equal(adviceOn(taken), '')
    await ask(person, 'for half')
    await control.waitForCalls(1, { email: person.email, prompt: 'for half' })
    assert.equal(control.calls({ email: person.email, prompt: 'for half' })[0]!.apiKeyId, cheap.id)
    const theirs = await (await charlie(app)).post('/images/advice', form, htmx)
    assert.ok(theirs.html.querySelector('#form-error'), 'it is no key of theirs')
  })

  test('says what an edit costs without previews where those are billed by tokens, and does without', async () => {
    const person = await alice(app)
    const key = control.addKey(person.email, { name: 'Studio key', group_id: groupIds.studio })
    await person.post('/account/key', { key_id: String(key.id) })
    await person.post('/account/edit-previews', { wanted: 'yes' })
    const { token } = await makePicture(app, person, 'an original')
    const id = await ask(person, 'a first edit', { reference: token })
    await until('its bill', async () => (await jobRow(app.db, id)).cost)
    const quoted = await quoteOf(person, { size: '1024x1024', quality: 'high', reference: token })
    assert.match(adviceOn(quoted), /by tokens while previews are on: without them \$0\.08 instead of about \$0\.\d+/)
    const taken = await person.post(
      '/images/advice',
      { prompt: 'silent', size: '1024x1024', reference: token, press: pressOf(quoted) },
      htmx,
    )
    assert.match(taken.html.querySelector('.price')!.text, /≈ \$0\.08/)
    assert.equal(adviceOn(taken), '')
  })
})
