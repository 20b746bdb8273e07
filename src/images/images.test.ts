import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { before, describe, test } from 'node:test'
import type { HTMLElement } from 'node-html-parser'
import sharp from 'sharp'
import { z } from 'zod'
import type { Browser, Page } from '../testing/browser.ts'
import { ask, jobEnd, jobIn, jobRow, press } from '../testing/jobs.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  const timings = { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 5 }
  app = await testApp({ worker: timings })
})

const htmx = { htmx: true }
// Every test has an Alice of its own, so they need not wait for each other.
const together = { concurrency: 4 }
const PICTURE = 'a[href^="/library/"] img, .media img'

/** The address that the page asks for news of its tiles; null when it asks no more. */
function pulseOf(html: HTMLElement): string | null {
  return html.querySelector('#pulse')?.getAttribute('hx-get') ?? null
}

function tile(html: HTMLElement, id: string): HTMLElement | null {
  return html.querySelector(`#job-${id}`)
}

/** Opens the page and asks for news as it does, until the job's tile has the state; the tile. */
async function watch(person: Browser, id: string, state: string): Promise<HTMLElement> {
  let page = await person.get('/images')
  let address = pulseOf(page.html)
  return until(`the tile of ${id} to be ${state}`, async () => {
    const shown = tile(page.html, id)
    if (shown?.classList.contains(`state-${state}`)) return shown
    assert.ok(address, 'the page asks no more')
    page = await person.get(address, htmx)
    if (page.status === 200) address = pulseOf(page.html)
    return null
  })
}

async function countJobs({ email }: Person): Promise<number> {
  const select = `select count(*) from image_jobs where user_id = $1`
  const rows = await app.db.one(z.object({ count: z.number() }), select, [app.mock.control.user(email).id])
  return rows.count
}

function sentences(page: Page): string[] {
  return page.html.querySelectorAll('#composer .field-error[id]').map(error => error.text.trim())
}

const words = (element: HTMLElement | null | undefined) => element?.text.replace(/\s+/g, ' ').trim() ?? ''

describe('from prompt to picture', together, () => {
  test('without JavaScript: a form, a page that reloads itself, the picture', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'a plain lighthouse' }, hold: 'before_headers' })
    const form = (await person.get('/images')).html.querySelector('form#composer')!
    assert.equal(form.getAttribute('method'), 'post')
    const submission = form.querySelector('[name="submission"]')!.getAttribute('value')!

    const answer = await person.post('/images', { prompt: 'a plain lighthouse', submission })
    assert.equal(answer.status, 303)
    await app.mock.control.waitForCalls(1, { prompt: 'a plain lighthouse' })
    const waiting = await person.get(answer.location)
    assert.ok(waiting.html.querySelector('.state-running'))
    assert.ok(waiting.text.includes('http-equiv="refresh"'))

    app.mock.control.release(hold)
    const done = await until('the picture', async () => {
      const page = await person.get(answer.location)
      return page.html.querySelector('.state-done') && page
    })
    assert.ok(!done.text.includes('http-equiv="refresh"'))
    const address = done.html.querySelector('[href^="/files/"], img[src^="/files/"]')!
    const bytes = await person.get((address.getAttribute('src') ?? address.getAttribute('href'))!.replace('/thumb', ''))
    assert.deepEqual((await sharp(bytes.body).metadata()).format, 'png')
    // Shown large it may be the original; among others it is the thumbnail.
    const large = done.html.querySelector('.stage img')!
    assert.match(large.getAttribute('srcset')!, /^(\/files\/[\w-]+)\/thumb 480w, \1\/screen 1024w$/)
    const newest = (await person.get('/images')).html.querySelector('.tiles .picture img')!
    assert.equal(newest.getAttribute('srcset'), large.getAttribute('srcset'), 'the newest is large')
    await ask(person, 'one after it')
    const small = (await person.get('/images')).html.querySelectorAll('.tiles .picture img').at(-1)!
    assert.deepEqual([small.getAttribute('src'), small.getAttribute('srcset')], [large.getAttribute('src'), undefined])
    assert.equal(app.mock.control.calls({ prompt: 'a plain lighthouse' }).length, 1)
  })

  test('with htmx: a tile at once, news only when there is some, and silence after the end', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'a quiet harbour' }, hold: 'before_headers' })
    const created = await person.post('/images', { prompt: 'a quiet harbour', submission: randomUUID() }, htmx)
    assert.equal(created.status, 200)
    const id = created.html.querySelector('.job')!.id.slice(4)
    assert.equal(created.html.querySelector(`hx-partial[hx-target="#today"] #job-${id}`) !== null, true)
    await app.mock.control.waitForCalls(1, { prompt: 'a quiet harbour' })

    await watch(person, id, 'running')
    const address = pulseOf((await person.get('/images')).html)!
    assert.equal((await person.get(address, htmx)).status, 204)
    const jobPage = (await person.get(`/images/${id}`)).html.querySelector(`#job-${id}`)!.getAttribute('hx-get')!
    assert.equal((await person.get(jobPage, htmx)).status, 204)

    app.mock.control.release(hold)
    const done = await watch(person, id, 'done')
    assert.ok(done.querySelector(PICTURE))
    await until('the cost', async () => (await jobRow(app.db, id)).cost !== null)
    const after = await person.get('/images')
    assert.equal(pulseOf(after.html), null)
    assert.ok(tile(after.html, id)!.classList.contains('state-done'))
    const page = await person.get(jobPage, htmx)
    assert.equal(page.html.querySelector('[hx-trigger]'), null)
  })

  test('an unchanged poll takes at most 400 bytes on the wire, headers and all', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'a small answer' }, hold: 'before_headers' })
    const id = await ask(person, 'a small answer')
    await watch(person, id, 'running')
    const address = pulseOf((await person.get('/images')).html)!

    const answer = await rawAnswer(address, `sid=${person.cookie('sid')}`)
    assert.match(answer, /^HTTP\/1\.1 204 /)
    assert.ok(answer.endsWith('\r\n\r\n'), 'a 204 has no body')
    assert.ok(answer.length <= 400, `${answer.length} bytes:\n${answer}`)
    app.mock.control.release(hold)
    await jobEnd(app.db, id)
  })

  test('several run at once, and each gets its own picture', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'one of three' }, times: 3, hold: 'before_headers' })
    const sizes = ['1024x1024', '1536x1024', '1024x1536']
    const ids = await Promise.all(sizes.map((size, i) => ask(person, `one of three: ${i}`, { size })))
    await app.mock.control.waitForCalls(3, { prompt: 'one of three', state: 'held' })
    app.mock.control.release(hold)
    for (const [i, id] of ids.entries()) {
      await jobIn(app.db, id, 'done')
      const page = await person.get(`/images/${id}`)
      const image = page.html.querySelector('.state-done img[src^="/files/"]')!
      const bytes = await person.get(image.getAttribute('src')!.replace('/thumb', ''))
      const { width, height } = await sharp(bytes.body).metadata()
      assert.equal(`${width}x${height}`, sizes[i])
    }
  })

  test('all of four pictures are kept', async () => {
    const person = await alice(app)
    const id = await ask(person, 'four sails', { n: '4' })
    await jobIn(app.db, id, 'done')
    const page = await person.get(`/images/${id}`)
    assert.equal(page.html.querySelectorAll('.mosaic img[src^="/files/"]').length, 4)
  })

  test('what comes back is told beside what was asked: size and count', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'stubborn' }, size: '1280x1024', deliver: 1 })
    const id = await ask(person, 'stubborn', { size: '1024x1024', n: '2' })
    await jobIn(app.db, id, 'done')
    const facts = words((await person.get('/images')).html.querySelector(`#job-${id} .caption-facts`))
    assert.match(facts, /1024 × 1024/)
    assert.match(facts, /1280 × 1024/)
    assert.match(facts, /1 of 2/)
  })

  test('the settings reach the gateway as chosen; an alias of the model is sent by its name', async () => {
    const person = await alice(app)
    const settings = { size: 'custom', width: '1040', height: '1040', quality: 'low', n: '2', format: 'webp' }
    for (const model of ['image2', 'image-gpt-2', 'gpt-image-2']) {
      const prompt = `settings for ${model}`
      const id = await ask(person, `  ${prompt}\r\nsecond line  `, {
        ...settings,
        model,
        compression: '40',
        background: 'opaque',
        moderation: 'low',
      })
      await jobIn(app.db, id, 'done')
      const [call] = app.mock.control.calls({ prompt })
      assert.deepEqual(call!.fields, {
        model: 'gpt-image-2',
        prompt: `${prompt}\nsecond line`,
        n: 2,
        size: '1040x1040',
        quality: 'low',
        background: 'opaque',
        output_format: 'webp',
        output_compression: 40,
        moderation: 'low',
        stream: true,
        partial_images: 2,
      })
    }
  })

  test('compression goes with JPEG and WebP only', async () => {
    const person = await alice(app)
    const id = await ask(person, 'a png has no compression', { format: 'png', compression: '40' })
    await jobEnd(app.db, id)
    assert.equal(app.mock.control.calls({ prompt: 'a png has no' })[0]!.fields.output_compression, undefined)
  })
})

describe('previews', () => {
  test('the first preview appears, a sharper one takes its place, the picture takes theirs', async () => {
    const person = await alice(app)
    app.mock.control.set({ latencyMs: 2400 })
    const hold = app.mock.control.fault({ match: { prompt: 'slowly clearer' }, hold: 'after_partial' })
    const id = await ask(person, 'slowly clearer')
    const first = await preview(person, id, '.step-0')
    const bytes = await person.get(first)
    assert.equal(bytes.headers['content-type'], 'image/webp')
    assert.ok((await sharp(bytes.body).metadata()).width <= 480)
    app.mock.control.release(hold)
    const second = await preview(person, id, '.step-1')
    app.mock.control.set({ latencyMs: 0 })
    assert.notEqual(second, first)
    await jobIn(app.db, id, 'done')
    assert.equal((await person.get('/images')).html.querySelector(`#job-${id} .preview`), null)
    const gone = await person.get(second)
    assert.deepEqual([gone.status, gone.body.length], [204, 0])
  })

  test('the picture that arrived does not go on as the preview of the next one', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'one after the other' }, hold: 'after_completed' })
    const id = await ask(person, 'one after the other', { n: '2' })
    const arrived = await until('the first of two, and no preview', async () => {
      const shown = tile((await person.get('/images')).html, id)
      return shown?.querySelector('img[src^="/files/"]') && !shown.querySelector('img.preview') && shown
    })
    assert.ok(arrived.classList.contains('state-running'))
    app.mock.control.release(hold)
    await jobIn(app.db, id, 'done')
  })

  async function preview(person: Person, id: string, step: string): Promise<string> {
    return until(`the preview ${step}`, async () => {
      const image = (await person.get('/images')).html.querySelector(`#job-${id} img.preview${step}`)
      return image?.getAttribute('src')
    })
  }
})

describe('money', together, () => {
  test('the cost comes from the usage row, and the balance falls by it', async () => {
    const person = await alice(app)
    const id = await ask(person, 'what it costs', { size: '1536x1024', n: '2' })
    const row = await until('the cost', async () => {
      const job = await jobRow(app.db, id)
      return job.cost !== null && job
    })
    assert.equal(row.estimate, 0.402)
    assert.equal(row.cost, 0.402)
    assert.equal(row.charged, 'yes')
    const page = await person.get('/images')
    assert.match(words(tile(page.html, id)), /\$0\.402/)
    assert.match(words(page.html.querySelector('#balance-rail')), /\$12\.10 /)
  })

  test('the page that sees the cost sees the new balance, too', async () => {
    const person = await alice(app)
    const path = '/api/v1/user/profile'
    const hold = app.mock.control.fault({ match: { path, email: person.email }, hold: 'before_headers' })
    const id = await ask(person, 'balance along')
    await until(
      'the balance to be asked for',
      async () => app.mock.control.panelCalls({ path, email: person.email })[0],
    )
    assert.equal((await jobRow(app.db, id)).cost, null)
    app.mock.control.release(hold)
    const news = await until('the news with the cost', async () => {
      const page = await person.get(`/images/tiles?t=${id}.0.0`, htmx)
      return page.html.querySelector(`#job-${id}`) && (await jobRow(app.db, id)).cost !== null && page
    })
    assert.match(words(news.html.querySelector('#balance-rail')), /\$12\.37 /)
  })

  test('the estimate is tier × count × multiplier, and changes with the form', async () => {
    const person = await alice(app)
    const quotes: [string, RegExp][] = [
      ['size=1024x1024&n=1', /\$0\.134/],
      ['size=1536x1024&n=1', /\$0\.201/],
      ['size=auto&n=1', /\$0\.134 – \$0\.268/],
      ['size=auto&n=2', /\$0\.268 – \$0\.536/],
      ['size=3840x2160&n=1', /\$0\.268/],
      ['size=custom&width=816&height=816&n=4', /\$0\.536/],
      ['size=2048x2048&n=10', /\$2\.01/],
    ]
    for (const [form, price] of quotes) {
      const quote = await person.get(`/images/quote?${form}`, htmx)
      assert.match(words(quote.html.querySelector('#quote .price')), price, form)
    }
    const refused = await person.get('/images/quote?size=custom&width=1000&height=1000', htmx)
    assert.equal(refused.html.querySelector('.price'), null)
    assert.equal(refused.html.querySelector('[data-use-size]')!.getAttribute('data-use-size'), '1008x1008')
  })

  test('a key of another group has that group’s prices', async () => {
    const person = await signedIn(app, 'manygroups+prices@example.com')
    // OpenAI with a multiplier of one's own, Studio with prices and a picture rate, half price by the group's multiplier.
    for (const [name, price] of [
      ['OpenAI', '0.1005'],
      ['Studio', '0.08'],
      ['Half price', '0.067'],
    ] as const) {
      const key = app.mock.control.keysOf(person.email).find(each => each.name === name)!
      await person.post('/account/key', { key_id: String(key.id) })
      const quote = await person.get('/images/quote?size=1024x1024&n=1', htmx)
      assert.match(words(quote.html.querySelector('.price')), new RegExp(`\\$${price}$`), name)
      const id = await ask(person, `priced in ${name}`)
      await until('the cost', async () => (await jobRow(app.db, id)).cost !== null)
      assert.equal((await jobRow(app.db, id)).cost?.toFixed(4), Number(price).toFixed(4))
    }
  })

  test('without a key there is no price, and no job', async () => {
    const person = await signedIn(app, 'nokeys+price@example.com')
    const jobs = await countJobs(person)
    assert.equal((await person.get('/images/quote?size=1024x1024', htmx)).html.querySelector('.price'), null)
    const page = await person.get('/images')
    assert.ok(page.html.querySelector('#blocked a[href="/account?next=/images#keys"]'))
    const answer = await person.post('/images', { prompt: 'with what?' })
    assert.equal(answer.status, 422)
    assert.equal(sentences(answer).length, 1)
    assert.equal(answer.html.querySelector('textarea')!.text, 'with what?')
    assert.equal(await countJobs(person), jobs)
  })

  test('a key whose group makes no pictures makes no job', async () => {
    const person = await signedIn(app, 'noimages@example.com')
    const jobs = await countJobs(person)
    const answer = await person.post('/images', { prompt: 'with what?' })
    assert.equal(answer.status, 422)
    assert.equal(sentences(answer).length, 1)
    assert.equal(await countJobs(person), jobs)
  })
})

describe('cancel', together, () => {
  test('a queued job is cancelled at once: nothing is sent, nothing charged', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { email: person.email }, times: 4, hold: 'before_headers' })
    const running = await Promise.all([1, 2, 3, 4].map(i => ask(person, `busy with ${i}`)))
    await app.mock.control.waitForCalls(4, { email: person.email, state: 'held' })
    const id = await ask(person, 'waits in vain')
    assert.equal((await jobRow(app.db, id)).state, 'queued')

    const answer = await person.post(`/images/${id}/cancel`, {}, htmx)
    const shown = tile(answer.html, id)!
    assert.ok(shown.classList.contains('state-cancelled'))
    assert.ok(shown.querySelector('.verdict-no'))
    assert.equal((await jobRow(app.db, id)).keySecret, null)
    app.mock.control.release(hold)
    for (const each of running) await jobIn(app.db, each, 'done')
    assert.equal(app.mock.control.calls({ prompt: 'waits in vain' }).length, 0)
    assert.equal((await jobRow(app.db, id)).state, 'cancelled')
  })

  test('a running job lets go of the gateway; unknown whether charged, until the usage row says yes', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'never mind' }, hold: 'after_partial' })
    const id = await ask(person, 'never mind')
    await app.mock.control.waitForCalls(1, { prompt: 'never mind', state: 'held' })
    await until('the reply to begin', async () => (await jobRow(app.db, id)).requestId)

    const answer = await person.post(`/images/${id}/cancel`)
    assert.equal(answer.status, 303)
    // The gateway still holds the call: it was we who ended it.
    const row = await jobIn(app.db, id, 'cancelled')
    assert.equal(row.charged, 'unknown')
    assert.equal(row.keySecret, null)
    assert.equal(app.mock.control.calls({ prompt: 'never mind' })[0]!.state, 'held')
    const shown = tile((await person.get('/images')).html, id)!
    assert.ok(shown.querySelector('.verdict-unknown'))

    app.mock.control.release(hold)
    const [call] = await app.mock.control.waitForCalls(1, { prompt: 'never mind', state: 'done' })
    assert.equal(call!.clientGone, true)
    const billed = await until('the usage row', async () => {
      const job = await jobRow(app.db, id)
      return job.cost !== null && job
    })
    assert.deepEqual([billed.state, billed.charged, billed.cost], ['cancelled', 'yes', 0.134])
    assert.ok(tile((await person.get('/images')).html, id)!.querySelector('.verdict-yes'))
  })

  test('a cancel that comes after the last picture changes nothing: it is done, and charged', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'just in time' }, hold: 'before_end' })
    const id = await ask(person, 'just in time')
    await until('the picture', async () =>
      (await person.get(`/images/${id}`)).html.querySelector('img[src^="/files/"]'),
    )
    await person.post(`/images/${id}/cancel`, {}, htmx)
    const row = await jobEnd(app.db, id)
    assert.deepEqual([row.state, row.charged, row.failureReason], ['done', 'yes', null])
    app.mock.control.release(hold)
  })

  test('a cancel of what has ended shows how it ended', async () => {
    const person = await alice(app)
    const id = await ask(person, 'too late')
    await jobIn(app.db, id, 'done')
    const answer = await person.post(`/images/${id}/cancel`, {}, htmx)
    assert.equal(answer.status, 200)
    assert.ok(tile(answer.html, id)!.classList.contains('state-done'))
  })

  test('cancelled while some pictures had come: those are kept', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'half of it' }, hold: 'after_completed' })
    const id = await ask(person, 'half of it', { n: '2' })
    await until('the first', async () => (await person.get(`/images/${id}`)).html.querySelector('img[src^="/files/"]'))
    await person.post(`/images/${id}/cancel`)
    const row = await jobEnd(app.db, id)
    assert.deepEqual([row.state, row.charged], ['cancelled', 'yes'])
    assert.equal(
      tile((await person.get('/images')).html, id)!.querySelectorAll('.mosaic img[src^="/files/"]').length,
      1,
    )
    app.mock.control.release(hold)
  })
})

describe('sent twice', together, () => {
  test('the same form, sent six times at once, makes one job and one call', async () => {
    const person = await alice(app)
    const form = { prompt: 'only one please', submission: randomUUID() }
    const answers = await Promise.all(Array.from({ length: 6 }, () => press(person, form)))
    assert.equal(new Set(answers.map(answer => answer.location)).size, 1)
    await jobEnd(app.db, answers[0]!.location.split('/').at(-1)!)
    const again = await person.post('/images', form, htmx)
    assert.equal(again.status, 200)
    assert.equal(app.mock.control.calls({ prompt: 'only one please' }).length, 1)
  })

  test('the same form, gone back to and changed, asks for what it says now', async () => {
    const person = await alice(app)
    const submission = randomUUID()
    const [first, second, again] = [
      await ask(person, 'as it was', { submission }),
      await ask(person, 'on second thoughts', { submission }),
      await ask(person, 'as it was', { submission }),
    ]
    assert.notEqual(first, second)
    assert.equal(first, again)
    for (const id of [first, second]) await jobEnd(app.db, id)
    assert.equal(app.mock.control.calls({ prompt: 'as it was' }).length, 1)
    assert.equal(app.mock.control.calls({ prompt: 'on second thoughts' }).length, 1)
  })

  test('two people may happen to have the same submission key', async () => {
    const submission = randomUUID()
    const [a, b] = await Promise.all([alice(app), charlie(app)])
    const [mine, yours] = await Promise.all([a, b].map(person => ask(person, 'same key', { submission })))
    assert.notEqual(mine, yours)
  })

  test('retry makes one new job, however often it is pressed', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'once more' }, reply: 'moderation' })
    const id = await ask(person, 'once more', { size: '1536x1024', quality: 'low', n: '2' })
    await jobIn(app.db, id, 'failed')
    const clicks = await Promise.all([1, 2, 3].map(() => person.post(`/images/${id}/retry`)))
    const places = new Set(clicks.map(click => click.location))
    assert.equal(places.size, 1)
    const second = clicks[0]!.location.split('/').at(-1)!
    assert.notEqual(second, id)
    await jobIn(app.db, second, 'done')
    assert.equal((await person.post(`/images/${id}/retry`)).location, `/images/${second}`)
    const calls = app.mock.control.calls({ prompt: 'once more' })
    assert.equal(calls.length, 2)
    const [{ fields: one }, { fields: two }] = calls as [(typeof calls)[0], (typeof calls)[0]]
    assert.deepEqual(one, two)
  })

  test('a retry that failed too can be retried', async () => {
    const person = await alice(app)
    app.mock.control.fault({ match: { prompt: 'third time' }, times: 2, reply: 'moderation' })
    const first = await ask(person, 'third time')
    await jobIn(app.db, first, 'failed')
    const second = (await person.post(`/images/${first}/retry`)).location.split('/').at(-1)!
    await jobIn(app.db, second, 'failed')
    // Pressed on the first tile, which is still on the page.
    const third = (await person.post(`/images/${first}/retry`)).location.split('/').at(-1)!
    assert.equal(new Set([first, second, third]).size, 3)
    await jobIn(app.db, third, 'done')
  })

  test('what has not ended is not started again', async () => {
    const person = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'patience' }, hold: 'before_headers' })
    const id = await ask(person, 'patience')
    await app.mock.control.waitForCalls(1, { prompt: 'patience' })
    assert.equal((await person.post(`/images/${id}/retry`)).location, `/images/${id}`)
    app.mock.control.release(hold)
    await jobEnd(app.db, id)
    assert.equal(app.mock.control.calls({ prompt: 'patience' }).length, 1)
  })
})

describe('history and drafts', together, () => {
  test('older jobs come page by page, each once, under their days', async () => {
    const person = await alice(app)
    const id = await ask(person, 'the first of many')
    await jobEnd(app.db, id)
    // Sixty more over three days, many of them made in the same millisecond.
    await app.db.run(
      `insert into image_jobs (id, user_id, submission, state, model, prompt, size, quality, n, format, background,
         moderation, key_id, caller_address, caller_user_agent, finished_at, charged, created_at)
       select gen_random_uuid(), user_id, gen_random_uuid(), 'cancelled', model, 'old ' || i, size, quality, n, format,
         background, moderation, key_id, caller_address, caller_user_agent, now(), 'no',
         date_trunc('day', created_at) + interval '12 hours' - make_interval(days => 1 + i / 20)
       from image_jobs, generate_series(0, 59) i where id = $1`,
      [id],
    )
    const seen: string[] = []
    const days: string[] = []
    let page = await person.get('/images')
    assert.equal(page.html.querySelector('.day h2')!.text.trim(), 'Today')
    for (;;) {
      seen.push(...page.html.querySelectorAll('article.job').map(job => job.id))
      days.push(...page.html.querySelectorAll('.day h2').map(heading => words(heading)))
      const older = page.html.querySelector('#older a')?.getAttribute('href')
      if (!older) break
      page = await person.get(older, htmx)
      assert.equal(page.html.querySelector('html'), null)
    }
    assert.equal(seen.length, 61)
    assert.equal(new Set(seen).size, 61)
    assert.equal(days.length, 4)
    assert.equal(new Set(days).size, 4)
  })

  test('an unsent draft is there again, NUL and all else that may be typed', async () => {
    const person = await alice(app)
    const draft = {
      prompt: 'half a th\0ought \\u0000',
      size: 'custom',
      width: '1040',
      height: '816',
      quality: 'low',
      n: '3',
    }
    const kept = await person.post('/images/draft', draft, htmx)
    assert.equal(kept.status, 204)
    const { html } = await person.get('/images')
    assert.equal(html.querySelector('textarea')!.text, 'half a thought \\u0000')
    assert.equal(html.querySelector('[name="width"]')!.getAttribute('value'), '1040')
    assert.equal(html.querySelector('[name="quality"] option[selected]')!.getAttribute('value'), 'low')
    assert.equal(html.querySelector('[name="n"] option[selected]')!.getAttribute('value'), '3')
  })

  test('a button pressed after the sign-in has ended does not cost the draft', async () => {
    const person = await alice(app)
    const id = await ask(person, 'long done')
    await jobEnd(app.db, id)
    await person.post('/images/draft', { prompt: 'a draft worth keeping' }, htmx)
    await app.db.run(`delete from sign_ins s using users u where u.id = s.user_id and u.email = $1`, [person.email])
    assert.match((await person.post(`/images/${id}/cancel`)).location, /^\/login/)
    await person.post('/login', { email: person.email, password: 'any' })
    assert.equal((await person.get('/images')).html.querySelector('textarea')!.text, 'a draft worth keeping')
  })

  test('the settings of a job can be used again; a refused size can be replaced', async () => {
    const person = await alice(app)
    const id = await ask(person, 'to be reused', { size: 'custom', width: '1040', height: '816', quality: 'medium' })
    await jobEnd(app.db, id)
    const { html } = await person.get(`/images?from=${id}`)
    assert.equal(html.querySelector('textarea')!.text, 'to be reused')
    assert.equal(html.querySelector('[name="size"] option[selected]')!.getAttribute('value'), 'custom')
    assert.equal(html.querySelector('[name="height"]')!.getAttribute('value'), '816')
    const other = await person.get('/images?size=1536x1024')
    assert.equal(other.html.querySelector('[name="size"] option[selected]')!.getAttribute('value'), '1536x1024')
    const foreign = await (await charlie(app)).get(`/images?from=${id}`)
    assert.ok(!foreign.text.includes('to be reused'))
  })
})

test('one person may ask for three hundred pictures a minute, and is told when the next one may come', async () => {
  const person = await alice(app)
  await app.db.run(
    `insert into image_jobs (id, user_id, submission, model, prompt, size, quality, n, format, background, moderation, key_id,
       caller_address, caller_user_agent, created_at, state, finished_at, charged)
     select gen_random_uuid(), id, gen_random_uuid(), 'gpt-image-2', 'Asked before', '1024x1024', 'low', 1, 'png', 'auto', 'auto', 1,
       '127.0.0.1', 'test', now() - interval '5 seconds', 'cancelled', now(), 'no'
     from users, generate_series(1, 300) where email = $1`,
    [person.email],
  )
  const submission = randomUUID()
  const form = { prompt: 'One too many', submission }
  const refused = await person.post('/images', form, { htmx: true })
  assert.equal(refused.status, 422)
  assert.ok(Number(refused.headers['retry-after']) > 0 && Number(refused.headers['retry-after']) <= 60)
  assert.equal(refused.html.querySelector('#prompt')?.textContent.trim(), 'One too many')
  assert.equal((await (await charlie(app)).post('/images', form, { htmx: true })).status, 200, 'others go on')

  await app.db.run(`update image_jobs set created_at = created_at - interval '1 minute' where prompt = 'Asked before'`)
  assert.equal((await person.post('/images', form, { htmx: true })).status, 200)
})

describe('what cannot be asked', () => {
  const refused: [what: string, field: string, form: Record<string, string>, names?: RegExp][] = [
    ['an empty prompt', 'prompt', { prompt: ' \n ' }],
    ['a prompt of 32,001 characters', 'prompt', { prompt: 'x'.repeat(32_001) }, /32,?001.*32,?000/],
    ['a prompt of 32,001 emoji', 'prompt', { prompt: '🌊'.repeat(32_001) }, /32,?001.*32,?000/],
    ['width and height that are no numbers', 'size', { size: 'custom', width: 'wide', height: '' }, /1024 × 1024/],
    ['a size off the grid', 'size', { size: 'custom', width: '1000', height: '1000' }, /1008 × 1008/],
    ['too long an edge', 'size', { size: 'custom', width: '4096', height: '2048' }, /3840 × 2048/],
    ['too long a shape', 'size', { size: 'custom', width: '2048', height: '512' }, /1776 × 592/],
    ['too few pixels', 'size', { size: '512x512' }, /816 × 816/],
    ['too many pixels', 'size', { size: '3840x3840' }, /2880 × 2880/],
    ['a size that is far too long a text', 'size', { size: '1'.repeat(50) }],
    ['no picture at all', 'n', { n: '0' }],
    ['eleven pictures', 'n', { n: '11' }],
    ['x pictures', 'n', { n: 'x' }],
    ['half a picture', 'n', { n: '1.5' }],
    ['a model nobody knows', 'model', { model: 'gpt-image-9' }, /gpt-image-9/],
    ['an unknown quality', 'quality', { quality: 'best' }],
    ['a quality that is far too long a text', 'quality', { quality: 'h'.repeat(500) }],
    ['an unknown format', 'format', { format: 'gif' }],
    ['a transparent background', 'background', { background: 'transparent' }],
    ['an unknown moderation', 'moderation', { moderation: 'off' }],
    ['compression of 101', 'compression', { format: 'jpeg', compression: '101' }],
    ['compression of half', 'compression', { format: 'webp', compression: 'half' }],
  ]
  let person: Person
  before(async () => {
    person = await alice(app)
  })

  for (const [what, field, form, names] of refused) {
    test(`${what}: one sentence, what was typed stays, nothing is written`, async () => {
      const jobs = await countJobs(person)
      const fields = { prompt: 'a fine prompt', submission: randomUUID(), ...form }
      for (const visit of [{}, htmx]) {
        const answer = await person.post('/images', fields, visit)
        assert.equal(answer.status, 422)
        assert.equal(answer.html.querySelector('html') === null, visit === htmx)
        const told = sentences(answer)
        assert.equal(told.length, 1, told.join(' | '))
        const error = words(answer.html.querySelector(`#${field}-error`))
        assert.ok(error.length > 10, `a sentence at ${field}`)
        if (names) assert.match(error, names)
        assert.equal(answer.html.querySelector('[name="submission"]')!.getAttribute('value'), fields.submission)
        if (field !== 'prompt') assert.equal(answer.html.querySelector('textarea')!.text, 'a fine prompt')
      }
      assert.equal(await countJobs(person), jobs)
    })
  }

  test('a field sent twice does not become a default that is paid for', async () => {
    const jobs = await countJobs(person)
    const body = 'prompt=twice&size=1024x1024&size=3840x2160'
    const answer = await person.post('/images', body as never)
    assert.equal(answer.status, 422)
    assert.equal(await countJobs(person), jobs)
  })

  test('every mistake is told in one answer', async () => {
    const answer = await person.post('/images', { prompt: '', n: '0', quality: 'best', size: '1x1' }, htmx)
    assert.equal(sentences(answer).length, 4)
  })

  test('an address that is no id is not found', async () => {
    const { control } = app.mock
    const calls = control.calls().length
    for (const id of ['1', 'x', `${randomUUID()}x`, '..%2f..', '%00', randomUUID()]) {
      assert.equal((await person.get(`/images/${id}`)).status, 404, id)
      assert.equal((await person.get(`/images/${id}/preview/1`)).status, 404, id)
      assert.equal((await person.post(`/images/${id}/cancel`)).status, 404, id)
      assert.equal((await person.post(`/images/${id}/retry`)).status, 404, id)
    }
    assert.equal(control.calls().length, calls)
  })
})

describe("what is alice's", () => {
  test('charlie sees nothing of it and moves nothing of it', async () => {
    const [owner, other] = await Promise.all([alice(app), charlie(app)])
    const hold = app.mock.control.fault({ match: { prompt: 'hers alone' }, hold: 'after_partial' })
    const id = await ask(owner, 'hers alone')
    const preview = await until('her preview', async () => {
      const image = (await owner.get(`/images/${id}`)).html.querySelector('img.preview')
      return image?.getAttribute('src')
    })
    const { claim } = await jobRow(app.db, id)
    for (const visit of [{}, htmx]) {
      assert.equal((await other.get(`/images/${id}`, visit)).status, 404)
      assert.equal((await other.get(preview, visit)).status, 404)
      assert.equal((await other.post(`/images/${id}/cancel`, {}, visit)).status, 404)
      assert.equal((await other.post(`/images/${id}/retry`, {}, visit)).status, 404)
      const tiles = await other.get(`/images/tiles?t=${id}.1.0`, visit)
      assert.ok(!tiles.text.includes('hers alone') && !tiles.text.includes(id))
      assert.ok(!(await other.get('/images', visit)).text.includes('hers alone'))
    }
    const row = await jobRow(app.db, id)
    assert.deepEqual([row.state, row.claim], ['running', claim])
    app.mock.control.release(hold)
    assert.equal((await jobEnd(app.db, id)).state, 'done')
    assert.equal(app.mock.control.calls({ prompt: 'hers alone' }).length, 1)
  })

  test('a guest is sent to sign in, everywhere', async () => {
    const guest = app.browser()
    const id = randomUUID()
    for (const path of ['/images', `/images/${id}`, `/images/${id}/preview/1`, '/images/tiles', '/images/quote']) {
      const answer = await guest.get(path)
      assert.equal(answer.status, 303, path)
      assert.match(answer.location, /^\/login/)
    }
    assert.equal((await guest.get('/images/tiles', htmx)).status, 401)
  })
})

/** What comes over the wire for a kept-alive request, to the end of its headers. */
async function rawAnswer(path: string, cookie: string): Promise<string> {
  const { hostname, port, host } = new URL(app.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\nHX-Request: true\r\nSec-Fetch-Site: same-origin\r\n` +
      'Accept: text/html\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n',
  )
  let text = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1')
    if (text.includes('\r\n\r\n')) break
  }
  socket.destroy()
  return text
}

test('who has made nothing yet may start from an example, in the language that is read', async () => {
  const person = await signedIn(app, 'newcomer@example.com')
  const offered = (await person.get('/images')).html.querySelectorAll('.example')
  assert.equal(offered.length, 4)
  for (const link of offered) {
    const { html } = await person.get(link.getAttribute('href')!)
    assert.equal(html.querySelector('#prompt')!.text, link.querySelector('span')!.text)
    assert.equal(html.querySelectorAll('[aria-invalid]').length, 0)
  }
  await person.post('/preferences', { language: 'zh-CN', back: '/' })
  const { html } = await person.get('/images?example=fox')
  assert.match(html.querySelector('#prompt')!.text, /红狐/)
  assert.equal((await person.get('/images?example=nothing')).html.querySelector('#prompt')!.text.trim(), '')
})
