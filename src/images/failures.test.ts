import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { HTMLElement } from 'node-html-parser'
import sharp from 'sharp'
import type { Config } from '../config.ts'
import type { Running } from '../main.ts'
import type { FaultInput } from '../mock/faults.ts'
import { ask, type JobRow, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { alice, type Person } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

// The pages come from a web process; each group of tests has a worker of its own making.
const timings = { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 0.5 }
let app: TestApp
let person: Person
before(async () => {
  app = await testApp({ role: 'web', worker: timings })
  app.mock.control.set({ usageDelayMs: 3_600_000 })
  person = await alice(app)
})

/** Starts a worker for the tests of this group and stops it after them. */
function worker(changes: Partial<Config> = {}): void {
  let running: Running
  before(async () => {
    running = (await app.another({ role: 'worker', ...changes })).running
  })
  after(() => running.stop())
}

let number = 0

/** Has one call go wrong as told; the row as it ended, checked against its tile. */
async function fail(fault: FaultInput, fields: Record<string, string> = {}): Promise<JobRow> {
  const prompt = `failure no. ${++number};`
  app.mock.control.fault({ match: { prompt }, ...fault })
  const id = await ask(person, prompt, fields)
  const row = await jobEnd(app.db, id)
  assert.equal(app.mock.control.calls({ prompt }).length, 1, 'asked once')
  await checkTile(row)
  return row
}

/** The state, the verdict and a sentence are on the page, and the key is gone from the row. */
async function checkTile(row: JobRow): Promise<void> {
  assert.equal(row.keySecret, null)
  const tile = (await person.get('/images')).html.querySelector(`#job-${row.id}`)!
  assert.ok(tile.classList.contains(`state-${row.state}`))
  if (row.state === 'done') return
  assert.ok(tile.querySelector(`.verdict-${row.charged}`), 'the verdict')
  assert.ok(tile.querySelector('.sentence')!.text.trim().length > 10, 'a sentence')
  assert.ok(!/images\.(failure|next|charged)/.test(tile.text), 'words from the catalogue')
  const detail = tile.querySelector('.detail pre')?.innerHTML
  assert.ok(!detail?.includes('<'), 'the words of the gateway are escaped')
}

const error = (given: object): FaultInput => ({ error: { at: 'before_headers', ...given } })

describe('what a call comes to', { concurrency: 4 }, () => {
  worker()

  const refusals: [what: string, fault: FaultInput, reason: string, field?: string][] = [
    [
      'a bad request',
      error({ status: 400, type: 'invalid_request_error', message: 'Invalid <b>size</b>', param: 'size' }),
      'bad_request',
      'size',
    ],
    ['a model the group does not have', { reply: 'model_not_found' }, 'no_model'],
    ['a request too large', { reply: 'too_large' }, 'bad_request'],
    ['the safety system', { reply: 'moderation' }, 'content_policy'],
    ['an answer in words', { reply: 'answered_in_text' }, 'content_policy'],
    ['the audit of the gateway', { reply: 'audit' }, 'content_policy'],
    ['a key used up', { reply: 'key_quota' }, 'key_quota'],
    ['a quota of the account', { reply: 'platform_quota' }, 'account_quota'],
    ['an account that was switched off', { reply: 'user_inactive' }, 'account_inactive'],
    ['a group without pictures', { reply: 'no_images' }, 'group_no_images'],
    ['a group that was deleted', { reply: 'group_deleted' }, 'group_no_images'],
    ['an address the key does not allow', { reply: 'access_denied' }, 'ip_denied'],
    ['no subscription', { reply: 'subscription' }, 'subscription'],
    ['a subscription used up', { reply: 'usage_limit' }, 'subscription'],
    ['502 from upstream', { reply: 'upstream_unavailable' }, 'upstream'],
    ['502 for the network upstream', { reply: 'upstream_failed' }, 'upstream'],
    ['an error in the stream before any preview', { error: { at: 'after_headers' } }, 'upstream'],
    ['an error with status 200', { as: 'json', blanks: 2, error: { at: 'before_completed' } }, 'upstream'],
  ]
  for (const [what, fault, reason, field] of refusals) {
    test(`refused for ${what}: ${reason}, not charged, not asked again`, async () => {
      const row = await fail(fault)
      assert.deepEqual([row.state, row.failureReason, row.charged], ['failed', reason, 'no'])
      if (field) assert.equal(row.failureField, field)
      assert.ok(row.failureDetail, 'the words of the gateway are kept')
      assert.equal(row.costUntil, null, 'no cost is looked for')
    })
  }

  const unheard: [what: string, fault: FaultInput, reason: string][] = [
    ['the connection cut before the headers', { cut: 'before_headers' }, 'gateway_down'],
    ['the connection cut after the headers', { cut: 'after_headers' }, 'gateway_down'],
    ['the connection cut inside a picture', { cut: 'mid_picture' }, 'gateway_down'],
    ['a stream that ends after its previews', { end: 'before_completed' }, 'upstream'],
    ['a stream that ends inside a picture', { end: 'mid_picture' }, 'upstream'],
    ['an error after a preview', { error: { at: 'after_partial' } }, 'upstream'],
    ['the error page of a proxy', { reply: 'proxy_502' }, 'gateway_down'],
    ['the time-out page of a proxy', { reply: 'proxy_504' }, 'timeout'],
    ['a picture too huge to be one', { picture: 'huge' }, 'upstream'],
  ]
  for (const [what, fault, reason] of unheard) {
    test(`${what}: nobody knows whether it was charged`, async () => {
      const row = await fail(fault)
      assert.deepEqual([row.state, row.failureReason, row.charged], ['unknown', reason, 'unknown'])
    })
  }

  for (const picture of ['not_an_image', 'bomb', 'garbage_base64'] as const) {
    test(`a picture that is none (${picture}) was made, and so charged`, async () => {
      const row = await fail({ picture })
      assert.deepEqual([row.state, row.failureReason, row.charged], ['failed', 'bad_image', 'yes'])
    })
  }

  test('JSON instead of a stream is read all the same', async () => {
    for (const as of ['json', 'json_as_stream'] as const) assert.equal((await fail({ as })).state, 'done')
  })

  test('an error after the first of three pictures: one is kept, with the reason for the others', async () => {
    const row = await fail({ error: { at: 'after_completed' } }, { n: '3' })
    assert.deepEqual([row.state, row.failureReason, row.charged], ['done', 'upstream', 'yes'])
    const page = await person.get(`/images/${row.id}`)
    assert.equal(page.html.querySelectorAll('.mosaic img[src^="/files/"]').length, 1)
  })

  for (const [what, bad, reason] of [
    ['no picture', { b64_json: Buffer.from('no picture at all').toString('base64') }, 'bad_image'],
    ['no base64', { b64_json: '!!bad!!' }, 'bad_image'],
    ['an address that nobody answers', { url: 'http://127.0.0.1:1/x.png' }, 'unfetched'],
  ] as const) {
    test(`one of four is ${what}: three are kept, with the reason for the fourth`, () => threeOfFour(bad, reason))
  }

  async function threeOfFour(bad: object, reason: string): Promise<void> {
    const picture = async (red: number) => {
      const image = sharp({ create: { width: 64, height: 64, channels: 3, background: { r: red, g: 0, b: 0 } } })
      return { b64_json: (await image.png().toBuffer()).toString('base64') }
    }
    const body = { created: 1, data: [await picture(1), bad, await picture(3), await picture(4)] }
    const row = await fail({ reply: { status: 200, body } }, { n: '4' })
    assert.deepEqual([row.state, row.failureReason, row.charged], ['done', reason, 'yes'])
    const page = await person.get(`/images/${row.id}`)
    assert.equal(page.html.querySelectorAll('.mosaic img[src^="/files/"]').length, 3)
  }

  test('more pictures than asked for were paid for, and are kept', async () => {
    const row = await fail({ deliver: 3 }, { n: '2' })
    assert.equal(row.state, 'done')
    const page = await person.get(`/images/${row.id}`)
    assert.equal(page.html.querySelectorAll('.mosaic img[src^="/files/"]').length, 3)
  })
})

describe('before the gateway works on it, in any of three workers', () => {
  for (let count = 0; count < 3; count++) worker()

  test('a 429 with Retry-After: nothing is sent before, then it is done', async () => {
    const reply = { status: 429, headers: { 'Retry-After': '3' }, body: limited('Upstream rate limit exceeded') }
    app.mock.control.fault({ match: { prompt: 'in three seconds' }, reply })
    const id = await ask(person, 'in three seconds')
    const waiting = await until('it to wait', async () => {
      const row = await jobRow(app.db, id)
      return row.state === 'queued' && row.notBefore && row
    })
    assert.deepEqual([waiting.calledAt, waiting.claim], [null, null])
    assert.ok((await person.get('/images')).html.querySelector(`#job-${id}.state-queued`))
    await jobIn(app.db, id, 'done')
    const [first, second, third] = app.mock.control.calls({ prompt: 'in three seconds' })
    assert.equal(third, undefined)
    assert.ok(Date.parse(second!.receivedAt) >= Date.parse(first!.receivedAt) + 2_900)
  })

  test('a key that is told to wait waits with all its jobs; another key of the same person does not', async () => {
    const owner = await alice(app)
    const reply = { status: 429, headers: { 'Retry-After': '600' }, body: limited('Upstream rate limit exceeded') }
    app.mock.control.fault({ match: { prompt: 'told to wait' }, reply })
    const told = await ask(owner, 'told to wait')
    await until('it to wait', async () => (await jobRow(app.db, told)).notBefore)
    const same = await ask(owner, 'of the same key')
    const [call] = app.mock.control.calls({ prompt: 'told to wait' })
    const other = app.mock.control.keysOf(owner.email).find(key => key.id !== call!.apiKeyId)
    assert.equal((await owner.post('/account/key', { key_id: String(other!.id) })).status, 303)
    await jobIn(app.db, await ask(owner, 'of another key'), 'done')
    const row = await jobRow(app.db, same)
    assert.deepEqual([row.state, row.attempts], ['queued', 0])
    const tiles = (await owner.get('/images')).html
    const shownUntil = (id: string) => tiles.querySelector(`#job-${id} .wait-state time`)!.getAttribute('datetime')
    assert.ok(Date.parse(shownUntil(told)!) > Date.now() + 500_000, 'its tile says until when')
    assert.equal(shownUntil(same), shownUntil(told), 'and so do those of the others')
    for (const id of [told, same]) assert.match(waitOf(tiles, id), /^Waits until .*: the gateway asked to slow down$/)
    assert.equal(app.mock.control.calls({ prompt: 'of the same key' }).length, 0)
    // As if ten minutes had gone by.
    await app.db.run(`update image_jobs set not_before = now(), retry_at = now() where id = $1`, [told])
    await jobIn(app.db, same, 'done')
    await jobIn(app.db, told, 'done')
  })

  for (const reply of ['rate_limited', 'no_accounts', 'upstream_overloaded'] as const) {
    test(`${reply}, without a word of when: all of that key waits as long as what was refused`, async () => {
      const owner = await alice(app)
      app.mock.control.fault({ match: { prompt: `refused first: ${reply};` }, reply })
      const refused = await ask(owner, `refused first: ${reply};`)
      const { notBefore, retryAt } = await until('it to wait', async () => {
        const row = await jobRow(app.db, refused)
        return row.state === 'queued' && row.notBefore && row
      })
      assert.deepEqual(retryAt, notBefore)
      // As if it had been refused more often.
      await app.db.run(
        `update image_jobs set not_before = now() + interval '1 minute', retry_at = now() + interval '1 minute' where id = $1`,
        [refused],
      )
      const same = await ask(owner, `of its key: ${reply};`)
      const tiles = (await owner.get('/images')).html
      for (const id of [refused, same])
        assert.match(waitOf(tiles, id), /^Waits until .*: the gateway asked to slow down$/)
      await jobIn(app.db, await ask(await alice(app), 'of somebody else'), 'done')
      assert.deepEqual(app.mock.control.calls({ prompt: `of its key: ${reply};` }), [])
      await app.db.run(`update image_jobs set not_before = now(), retry_at = now() where id = $1`, [refused])
      for (const id of [refused, same]) await jobIn(app.db, id, 'done')
      assert.equal(app.mock.control.calls({ prompt: `refused first: ${reply};` }).length, 2)
    })
  }

  const passing: [reply: string, reason: string][] = [
    ['rate_limited', 'rate_limited'],
    ['concurrency', 'concurrency'],
    ['too_many_pending', 'concurrency'],
    ['no_accounts', 'no_account'],
    ['upstream_overloaded', 'upstream'],
    ['auth_overloaded', 'gateway_down'],
  ]
  for (const [reply, reason] of passing) {
    test(`${reply} is tried again later, and in the end told: ${reason}, not charged`, async () => {
      const prompt = `passing: ${reply};`
      app.mock.control.fault({ match: { prompt }, times: 2, reply: reply as never })
      const id = await ask(person, prompt)
      await until('it to wait', async () => {
        const row = await jobRow(app.db, id)
        return row.state === 'queued' && row.notBefore
      })
      // As if it had been tried all the times that are allowed.
      await app.db.run(`update image_jobs set attempts = 7, not_before = null, retry_at = null where id = $1`, [id])
      const row = await jobEnd(app.db, id)
      assert.deepEqual([row.state, row.failureReason, row.charged, row.attempts], ['failed', reason, 'no', 8])
      assert.equal(app.mock.control.calls({ prompt }).length, 2)
      await checkTile(row)
    })
  }

  test('a key that no secret opens any more ends the job, instead of running it for ever', async () => {
    const owner = await alice(app)
    const hold = app.mock.control.fault({ match: { prompt: 'in the way' }, times: 4, hold: 'before_headers' })
    const busy = await Promise.all([1, 2, 3, 4].map(i => ask(owner, `in the way ${i}`)))
    await app.mock.control.waitForCalls(4, { prompt: 'in the way', state: 'held' })
    const id = await ask(owner, 'locked out')
    await app.db.run(`update image_jobs set key_secret = $2 where id = $1`, [id, Buffer.alloc(60, 1)])
    app.mock.control.release(hold)
    const row = await jobEnd(app.db, id)
    assert.deepEqual([row.state, row.failureReason, row.charged], ['failed', 'key_invalid', 'no'])
    assert.equal(app.mock.control.calls({ prompt: 'locked out' }).length, 0)
    for (const each of busy) await jobEnd(app.db, each)
  })

  test('cancelled while it waits: never sent again', async () => {
    app.mock.control.fault({ match: { prompt: 'no longer wanted' }, reply: 'rate_limited_20s' })
    const owner = await alice(app)
    const id = await ask(owner, 'no longer wanted')
    await until('it to wait', async () => (await jobRow(app.db, id)).notBefore)
    await owner.post(`/images/${id}/cancel`)
    const row = await jobRow(app.db, id)
    assert.deepEqual([row.state, row.charged, row.keySecret], ['cancelled', 'no', null])
  })
})

describe('a worker that has not looked yet', () => {
  worker({ worker: { ...timings, tickSeconds: 600 } })

  test('cancelled while the gateway refuses: not charged, and not sent again', async () => {
    const fault: FaultInput = { match: { prompt: 'both at once' }, hold: 'before_headers', reply: 'concurrency' }
    const hold = app.mock.control.fault(fault)
    const id = await ask(person, 'both at once')
    await app.mock.control.waitForCalls(1, { prompt: 'both at once', state: 'held' })
    await person.post(`/images/${id}/cancel`)
    assert.equal((await jobRow(app.db, id)).state, 'running')
    app.mock.control.release(hold)
    const row = await jobEnd(app.db, id)
    assert.deepEqual([row.state, row.charged, row.failureReason], ['cancelled', 'no', null])
    assert.equal(app.mock.control.calls({ prompt: 'both at once' }).length, 1)
  })
})

describe('an impatient worker', () => {
  worker({ gatewayTimeouts: { headers: 400, streamHeaders: 400, idle: 400 } })

  for (const hold of ['before_headers', 'after_headers', 'after_partial'] as const) {
    test(`silence (${hold}) ends as a time-out; nobody knows whether it was charged`, async () => {
      const row = await fail({ hold })
      app.mock.control.release()
      assert.deepEqual([row.state, row.failureReason, row.charged], ['unknown', 'timeout', 'unknown'])
    })
  }
})

describe('a gateway nobody can reach', () => {
  worker({ upstream: 'http://127.0.0.1:1' })

  test('nothing was sent: tried again, and in the end not charged', async () => {
    const id = await ask(person, 'hello, is anybody there?')
    await until('it to wait', async () => {
      const row = await jobRow(app.db, id)
      return row.state === 'queued' && row.notBefore
    })
    await app.db.run(`update image_jobs set attempts = 7, not_before = null where id = $1`, [id])
    const row = await jobEnd(app.db, id)
    assert.deepEqual([row.state, row.failureReason, row.charged], ['failed', 'gateway_down', 'no'])
    await checkTile(row)
  })
})

function waitOf(tiles: HTMLElement, id: string): string {
  return tiles.querySelector(`#job-${id} .wait-state`)!.text.replace(/\s+/g, ' ').trim()
}

function limited(message: string) {
  return { error: { type: 'rate_limit_error', message } }
}
