import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { z } from 'zod'
import type { Running } from '../main.ts'
import type { FaultInput } from '../mock/faults.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { hoursOff } from '../testing/clock.ts'
import { ask, type JobRow, jobEnd, jobIn } from '../testing/jobs.ts'
import { alice, charlie, type Person, rich } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

// What was paid for and can still be shown is shown, however it came.

let app: TestApp
let person: Person
let reference: string
before(async () => {
  app = await testApp({
    role: 'web',
    worker: { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 0.5 },
  })
  app.mock.control.set({ usageDelayMs: 3_600_000 })
  person = await rich(app, await alice(app))
  const photo = await sharp({ create: { width: 640, height: 640, channels: 3, background: '#a63' } })
    .png()
    .toBuffer()
  const answer = await person.upload('/images/references', [['photo.png', photo]], {}, { htmx: true })
  reference = answer.html.querySelector('[name="reference"]')!.getAttribute('value')!
})

interface Row {
  id: string
  token: string
  position: number
  condition: string
  format: string
  originalFormat: string | null
}

let number = 0

async function made(fault: FaultInput, fields: Record<string, string> = {}): Promise<{ job: JobRow; pictures: Row[] }> {
  const prompt = `kept no. ${++number};`
  app.mock.control.fault({ match: { prompt }, size: '512x384', ...fault })
  const job = await jobEnd(app.db, await ask(person, prompt, fields))
  assert.equal(app.mock.control.calls({ prompt }).length, 1, 'asked once')
  return { job, pictures: await picturesOf(job.id) }
}

async function picturesOf(jobId: string): Promise<Row[]> {
  const { rows } = await app.db.pool.query<Row>(
    `select p.id, p.token, p.position, p.condition, f.format, f.original_format as "originalFormat"
     from pictures p join files f on f.token = p.token where p.job_id = $1 order by p.position`,
    [jobId],
  )
  return rows
}

const whole: [what: string, fault: FaultInput, format: string, original: string | null][] = [
  ['a data URL under b64_json', { picture: 'data_url' }, 'png', null],
  ['base64 in the alphabet of URLs', { picture: 'url_alphabet' }, 'png', null],
  ['base64 with line feeds and blanks', { picture: 'line_feeds' }, 'png', null],
  ['base64 without its padding', { picture: 'unpadded' }, 'png', null],
  ['base64 with escaped slashes', { picture: 'escaped' }, 'png', null],
  ['plain base64 under url', { field: 'url' }, 'png', null],
  ['a name of some relay', { field: 'image_base64' }, 'png', null],
  ['an object inside the item', { field: 'image.url', url: 'data' }, 'png', null],
  ['an address of the gateway without its host', { url: '/__mock/pictures/kept.png' }, 'png', null],
  ['a JPEG without its end marker', { picture: 'no_end_marker' }, 'jpeg', null],
  ['a GIF', { picture: 'gif' }, 'png', 'gif'],
  ['an AVIF', { picture: 'avif' }, 'png', 'avif'],
]
const parts: [what: string, fault: FaultInput, fields: Record<string, string>, original: string][] = [
  ['half a PNG', { picture: 'truncated' }, {}, 'png'],
  ['half a JPEG', { picture: 'truncated' }, { format: 'jpeg' }, 'jpeg'],
  ['half a WebP', { picture: 'truncated' }, { format: 'webp' }, 'webp'],
  ['base64 that turns into something else', { picture: 'spoilt_end' }, {}, 'png'],
]

for (const [way, partialImages] of [
  ['in a stream', 2],
  ['in JSON', 0],
] as const) {
  for (const kind of ['generation', 'edit'] as const) {
    describe(`${kind} ${way}`, { concurrency: 4 }, () => {
      const more = () => (kind === 'edit' ? { reference } : ({} as Record<string, string>))
      let running: Running
      before(async () => {
        running = (await app.another({ role: 'worker', partialImages, partialImagesEdits: partialImages })).running
      })
      after(() => running.stop())

      for (const [what, fault, format, original] of whole) {
        test(`${what} is a picture like any other`, async () => {
          const { job, pictures } = await made(fault, more())
          assert.deepEqual([job.state, job.failureReason, job.charged], ['done', null, 'yes'])
          const [{ condition, format: kept, originalFormat, token }] = pictures as [Row]
          assert.deepEqual([condition, kept, originalFormat], ['whole', format, original])
          const shown = await person.get(`/files/${token}`)
          assert.equal(shown.headers['content-type'], `image/${format}`)
          const { width } = await sharp(shown.body, { failOn: 'warning' }).metadata()
          assert.equal(width, 512)
          if (!original) return
          const asItCame = await person.get(`/files/${token}/original`)
          assert.equal(asItCame.headers['content-type'], `image/${original}`)
          assert.match(
            asItCame.headers['content-disposition']!,
            new RegExp(`^attachment; filename=picture.${original}`),
          )
        })
      }

      for (const [what, fault, fields, original] of parts) {
        test(`${what} is shown as far as it came`, async () => {
          const { job, pictures } = await made(fault, { ...more(), ...fields })
          assert.deepEqual([job.state, job.charged], ['done', 'yes'])
          const [{ condition, format, originalFormat, token }] = pictures as [Row]
          assert.deepEqual([condition, format, originalFormat], ['incomplete', 'png', original])
          const asItCame = await person.get(`/files/${token}/original`)
          assert.equal(asItCame.headers['content-type'], `image/${original}`)
        })
      }

      test('bytes that are no picture are kept, and nothing is called a picture', async () => {
        const { job, pictures } = await made({ picture: 'not_an_image' }, more())
        assert.deepEqual([job.state, job.failureReason, job.charged], ['failed', 'bad_image', 'yes'])
        const [{ condition, token }] = pictures as [Row]
        assert.equal(condition, 'undecodable')
        const bytes = await person.get(`/files/${token}`)
        assert.match(bytes.body.toString(), /^<html><script>/)
        assert.equal(bytes.headers['content-type'], 'application/octet-stream')
        assert.match(bytes.headers['content-disposition']!, /^attachment;/)
        assert.equal(bytes.headers['x-content-type-options'], 'nosniff')
        assert.match(bytes.headers['content-security-policy']!, /^sandbox;/)
        const stranger = await charlie(app)
        assert.equal((await stranger.get(`/files/${token}`)).status, 404)
      })

      test('of a reply cut inside the picture its first part is kept, and the verdict stays what it was', async () => {
        const { job, pictures } = await made({ cut: 'mid_picture' }, more())
        assert.deepEqual([job.state, job.failureReason, job.charged], ['unknown', 'gateway_down', 'unknown'])
        const conditions = pictures.map(({ position, condition }) => `${position} ${condition}`)
        assert.deepEqual(conditions, partialImages > 0 ? ['0 incomplete', '1 preview'] : ['0 incomplete'])
      })

      if (partialImages === 0) return
      for (const fault of [{ cut: 'before_completed' }, { end: 'before_completed' }] as const) {
        test(`a stream that ends after its last preview (${Object.keys(fault)[0]}) leaves the preview`, async () => {
          const { job, pictures } = await made(fault, more())
          assert.deepEqual([job.state, job.charged], ['unknown', 'unknown'])
          assert.deepEqual(
            pictures.map(({ position, condition, format }) => [position, condition, format]),
            [[1, 'preview', 'png']],
          )
          const tile = (await person.get('/images')).html.querySelector(`#job-${job.id}`)!
          assert.equal(tile.querySelector('.condition')!.text.trim(), 'Preview')
          assert.ok(tile.querySelector('.verdict-unknown'))
        })
      }

      test('a preview that nobody pays for, or that was declined or cancelled, is not kept', async () => {
        const declined = { error: { at: 'after_partial', status: 400, code: 'moderation_blocked' } } as const
        assert.deepEqual((await made(declined, more())).pictures, [])
        const prompt = `kept no. ${++number};`
        app.mock.control.fault({ match: { prompt }, hold: 'before_completed' })
        const id = await ask(person, prompt, more())
        await app.mock.control.waitForCalls(1, { prompt, state: 'held' })
        await person.post(`/images/${id}/cancel`)
        assert.equal((await jobEnd(app.db, id)).state, 'cancelled')
        assert.deepEqual(await picturesOf(id), [])
        app.mock.control.release()
      })
    })
  }
}

describe('what is no whole picture', () => {
  let running: Running
  before(async () => {
    running = (await app.another({ role: 'worker' })).running
  })
  after(() => running.stop())

  const labels = {
    preview: ['Preview', '预览图', { end: 'before_completed' }],
    incomplete: ['Incomplete', '不完整', { picture: 'truncated' }],
    undecodable: ['Cannot be shown', '无法显示', { picture: 'not_an_image' }],
  } as const
  for (const [condition, [en, zh, fault]] of Object.entries(labels)) {
    test(`${condition}: says so wherever it is met, in the reader's language, in the trash and out of it`, async () => {
      // The same bytes are shown once, by the row that came first: that is to be this one.
      await app.db.run(`delete from pictures where condition = $1`, [condition])
      const { job, pictures } = await made(fault)
      const { id, token } = pictures[0]!
      const read = async (path: string, language: string) => {
        const page = await person.get(path, { headers: { 'Accept-Language': language } })
        assert.equal(page.status, 200, path)
        return page.html
      }
      const says = async (path: string, selector: string) => {
        for (const [language, label] of [
          ['en', en],
          ['zh-CN', zh],
        ] as const) {
          const found = (await read(path, language)).querySelectorAll(selector)
          assert.ok(
            found.some(each => each.text.includes(label)),
            `${label} at ${path}`,
          )
        }
      }
      await says('/images', `#job-${job.id} #picture-${id}`)
      await says(`/images/${job.id}`, '.facts .missing')
      await says('/library', `#picture-${id}`)
      await says(`/library/${id}`, `#condition-${id}`)
      const saved = await person.get(`/files/${token}?download=${id}`)
      assert.match(
        saved.headers['content-disposition']!,
        new RegExp(`filename=kept-no-\\d+-${condition}\\.(?:png|bin)$`),
      )

      await person.post(`/library/${id}/delete`)
      await says('/library/trash', `#picture-${id}`)
      await person.post(`/library/${id}/restore`)
      await says('/library', `#picture-${id}`)
    })
  }

  test('a preview and half a picture can be started from; what cannot be shown cannot', async () => {
    const preview = (await made({ end: 'before_completed' })).pictures[0]!
    const half = (await made({ picture: 'truncated' })).pictures[0]!
    for (const { id, token } of [preview, half]) {
      const form = (await person.get(`/images?reference=${id}`)).html
      assert.ok(form.querySelector(`#reference-${token}`))
    }
    const job = await jobEnd(app.db, await ask(person, 'from half a picture', { reference: half.token }))
    assert.equal(job.state, 'done')

    const broken = (await made({ picture: 'not_an_image' })).pictures[0]!
    for (const path of [
      `/images?reference=${broken.id}`,
      `/images?reference=${broken.token}`,
      `/images?edit=${broken.id}`,
    ]) {
      assert.equal((await person.get(path)).html.querySelector(`#reference-${broken.token}`), null, path)
    }
    const refused = await person.post('/images', { prompt: 'from nothing', reference: broken.token })
    assert.equal(refused.status, 422)
    assert.equal((await person.get(`/library/compare?a=${half.id}&b=${broken.id}`)).status, 404)
    assert.equal(app.mock.control.calls({ prompt: 'from nothing' }).length, 0)
    for (const path of ['/library', `/library/${broken.id}`]) {
      const links = (await person.get(path)).html.querySelectorAll(
        `[href*="reference=${broken.id}"], [data-picture="${broken.id}"]`,
      )
      assert.equal(links.length, 0, path)
    }
  })

  test('the original of a copy is its owner’s only, and goes with it', async () => {
    const { pictures } = await made({ picture: 'gif' })
    const { id, token } = pictures[0]!
    const stranger = await charlie(app)
    assert.equal((await stranger.get(`/files/${token}/original`)).status, 404)
    const link = (await person.get(`/library/${id}`)).html.querySelector('a[href*="/original"]')!
    assert.match(link.text, /Original \(GIF\)/)
    assert.equal((await person.get(link.getAttribute('href')!)).headers['content-type'], 'image/gif')
    const usual = (await made({})).pictures[0]!
    assert.equal((await person.get(`/files/${usual.token}/original`)).status, 404)
  })

  test('one of three lost is said on the page too, and its number stays its own', async () => {
    const { job, pictures } = await made({ error: { at: 'after_completed' } }, { n: '3' })
    assert.equal(job.state, 'done')
    assert.deepEqual(
      pictures.map(({ condition }) => condition),
      ['whole'],
    )
    const page = (await person.get(`/images/${job.id}`)).html
    assert.match(page.querySelector('.missing')!.text, /1 of 3/)
  })
})

test('a worker that dies in the middle leaves the last preview that was shown', async () => {
  const { running } = await app.another({ role: 'worker' })
  const prompt = 'a worker that dies'
  app.mock.control.fault({ match: { prompt }, hold: 'before_completed' })
  const id = await ask(person, prompt)
  await until('a preview to be shown', async () => {
    const { rows } = await app.db.pool.query('select 1 from image_previews where job_id = $1', [id])
    return rows.length > 0
  })
  // As if another had been given up for dead: its claim is gone, and so is its lease.
  await app.db.run(
    `update image_jobs set claim = gen_random_uuid(), lease_until = now() - interval '1 minute' where id = $1`,
    [id],
  )
  const { running: other } = await app.another({
    role: 'worker',
    worker: { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 0.1, persistSeconds: 0.5 },
  })
  const job = await jobEnd(app.db, id)
  assert.deepEqual([job.state, job.charged], ['unknown', 'unknown'])
  assert.deepEqual(
    (await picturesOf(id)).map(({ position, condition }) => [position, condition]),
    [[1, 'preview']],
  )
  app.mock.control.release()
  await Promise.all([running.stop(), other.stop()])
})

test('a picture that is not at its address yet is fetched when it is', async () => {
  const patient = { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 600 }
  const { running } = await app.another({ role: 'worker', worker: patient })
  const { job, pictures } = await made({ url: 'http', urlRefusals: 4 })
  assert.deepEqual([job.state, job.charged, job.failureReason], ['done', 'yes', null])
  assert.deepEqual(
    pictures.map(({ condition }) => condition),
    ['whole'],
  )
  assert.deepEqual((await unfetchedOf(job.id)).length, 0)
  await running.stop()
})

test('a worker killed while a picture is not at its address yet: another one, whose clock is ahead, fetches it, and nothing is asked twice', async () => {
  const { child } = await startProcess(app, { PLAYGROUND_ROLE: 'worker' })
  const prompt = 'killed before it was fetched'
  app.mock.control.fault({ match: { prompt }, url: 'http', urlRefusals: 5 })
  const id = await ask(person, prompt)
  await until('the address', async () => (await unfetchedOf(id)).length > 0)
  child.kill('SIGKILL')
  await app.db.run(`update image_jobs set lease_until = now() - interval '1 second' where id = $1`, [id])
  const { running } = await app.another({
    role: 'worker',
    worker: { tickSeconds: 0.2, leaseSeconds: 1, sweepSeconds: 0.1, persistSeconds: 0.5 },
  })
  await hoursOff(1, async () => assert.equal((await jobEnd(app.db, id)).state, 'done'))
  assert.deepEqual(
    (await picturesOf(id)).map(({ position, condition }) => [position, condition]),
    [[0, 'whole']],
  )
  assert.equal(app.mock.control.calls({ prompt }).length, 1)
  await running.stop()
})

test('a picture that cannot be fetched is charged, said to be so, and its address offered where that does no harm', async () => {
  const { running } = await app.another({ role: 'worker' })
  const key = await boundKey(app, person)
  const headers = { Authorization: `Bearer ${await tokenOf(app, key)}` }
  const taskOf = async (address: string) => {
    const prompt = `kept no. ${++number};`
    app.mock.control.fault({ match: { prompt }, url: address })
    const body = JSON.stringify({ prompt })
    const asked = await fetch(`${app.url}/api/playground/ssh/tasks`, { method: 'POST', headers, body })
    const id = Accepted.parse(await asked.json()).data.task_id
    await jobIn(app.db, id, 'failed')
    return Task.parse(await (await fetch(`${app.url}/api/playground/ssh/tasks/${id}`, { headers })).json()).data
  }
  const offered = 'http://pictures.invalid/a.png?signature=hidden'
  const task = await taskOf(offered)
  assert.deepEqual([task.state, task.failure, task.charged, task.unfetched], ['failed', 'unfetched', 'yes', [offered]])
  assert.match(task.error, /could not fetch it from the address that the gateway gave\..*harged/)
  const { html } = await person.get(`/images/${task.task_id}`)
  const link = html.querySelector('.failure a[rel="noopener noreferrer"]')!
  assert.deepEqual([link.getAttribute('href'), link.text], [offered, 'pictures.invalid'])
  assert.doesNotMatch(html.querySelector('.failure .detail')!.text, /hidden/)
  const stranger = await charlie(app)
  assert.equal((await stranger.get(`/images/${task.task_id}`)).status, 404)
  assert.ok(!app.logs.some(line => line.includes('signature=hidden')))

  for (const address of [
    'http://10.0.0.1/a.png',
    'http://localhost/a.png',
    'http://[::1]/a.png',
    'http://someone:secret@pictures.invalid/a.png',
    'ftp://pictures.invalid/a.png',
    '/no/such/picture.png',
  ]) {
    const { failure, charged, unfetched, task_id } = await taskOf(address)
    assert.deepEqual([address, failure, charged, unfetched], [address, 'unfetched', 'yes', []])
    const page = (await person.get(`/images/${task_id}`)).html
    assert.match(page.querySelector('.failure .sentence')!.text, /could not fetch it from the address/)
    assert.equal(page.querySelector('.failure a[rel="noopener noreferrer"]'), null, address)
  }
  await running.stop()
})

const Accepted = z.object({ data: z.object({ task_id: z.string() }) })
const Task = z.object({
  data: z.object({
    task_id: z.string(),
    state: z.string(),
    failure: z.string(),
    charged: z.string(),
    error: z.string(),
    unfetched: z.array(z.string()),
  }),
})

async function unfetchedOf(jobId: string): Promise<unknown[]> {
  const { rows } = await app.db.pool.query<{ unfetched: unknown[] }>('select unfetched from image_jobs where id = $1', [
    jobId,
  ])
  return rows[0]!.unfetched
}
