import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import { z } from 'zod'
import { type Database, openDatabase } from '../db/db.ts'
import type { Point } from '../mock/faults.ts'
import { atEnd, type RestartablePostgres, restartablePostgres } from '../testing/database.ts'
import { ask, jobRow } from '../testing/jobs.ts'
import { alice, type Person, rich } from '../testing/people.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { type Step, type SteppedWorker, startSteppedWorker } from '../testing/stepped.ts'

// Once means once: every step of a job × everything that can go away under it. All jobs of an outage stand at their
// steps when it strikes, in a worker process of their own, beside a second worker that looks for the dead.
const worker = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 20 }

/** Steps that the gateway holds; the others are held inside the process. */
const held = {
  asked: 'before_headers',
  previewed: 'after_partial',
  first_of_two: 'after_completed',
} as const satisfies Record<string, Point>
type Moment = Step | keyof typeof held

const moments: readonly Moment[] = [
  'claimed', // nothing was sent
  'marked', // nothing was sent, and nobody but the worker knows that
  'asked', // no headers yet
  'previewed',
  'first_of_two', // pictures: one is filed, the other to come
  'received', // the last byte is there, nothing is stored
  'half_stored', // without its thumbnail
  'committing', // stored; the library's transaction has yet to commit
  'filed', // in the library, and the job still runs
  'ended',
]

type End = readonly [state: string, charged: string, reason: string | null, pictures: number, calls: number]
const done: End = ['done', 'yes', null, 1, 1]
const bothDone: End = ['done', 'yes', null, 2, 1]
const unheardOf: End = ['unknown', 'yes', 'interrupted', 0, 1] // its usage row told that it was charged

interface Outage {
  name: string
  persistSeconds?: number
  strike(cells: Cells): Promise<void>
  ends: Partial<Record<Moment, End>>
}

interface Cells {
  doomed: SteppedWorker
  id(...moments: Moment[]): string[]
}

let postgres: RestartablePostgres
let app: TestApp
let db: Database
let person: Person
before(async () => {
  postgres = await restartablePostgres()
  app = await testApp({ databaseUrl: postgres.url, role: 'web', worker })
  db = openDatabase({ url: postgres.url, max: 2 })
  atEnd(() => db.close())
  person = await rich(app, await alice(app))
  app.mock.control.user(person.email, { concurrency: 100 })
})

const waiting = `select count(*) from image_jobs where state = 'running' and made_at is not null`

const outages: Outage[] = [
  {
    name: 'the worker is killed',
    async strike({ doomed }) {
      await doomed.kill()
      app.mock.control.release()
    },
    ends: {
      marked: ['unknown', 'unknown', 'interrupted', 0, 0],
      asked: ['unknown', 'unknown', 'interrupted', 0, 1], // no request id to look its usage row up by
      previewed: unheardOf,
      first_of_two: ['unknown', 'yes', 'interrupted', 1, 1],
      received: unheardOf,
    },
  },
  ...(['SIGINT', 'SIGKILL'] as const).map(
    (signal): Outage => ({
      name: `Postgres is restarted (${signal})`,
      async strike({ doomed }) {
        await postgres.stop(signal)
        doomed.order('go on')
        app.mock.control.release()
        await until('the replies', async () => app.mock.control.calls({ state: 'held' }).length === 0)
        await postgres.start()
      },
      ends: { first_of_two: bothDone },
    }),
  ),
  {
    name: 'Postgres stays away for longer than a picture waits',
    persistSeconds: 0.5,
    async strike({ doomed }) {
      const before = app.logs.length
      await postgres.stop('SIGINT')
      doomed.order('go on')
      app.mock.control.release()
      // All but the one that has ended.
      const given = /left to the sweep|waits in the spill/
      const left = () => app.logs.slice(before).filter(line => given.test(line)).length
      await until('them to be given up', async () => left() >= moments.length - 1)
      await postgres.start()
    },
    ends: { first_of_two: bothDone },
  },
  {
    name: 'the store fails for a moment',
    async strike({ doomed, id }) {
      doomed.order('store down')
      doomed.order('go on')
      app.mock.control.release()
      const storing = id('claimed', 'marked', 'asked', 'previewed', 'first_of_two', 'received', 'half_stored')
      await doomed.reached(storing, 'refused')
      doomed.order('store up')
    },
    ends: { first_of_two: bothDone },
  },
  {
    name: 'the store stays away',
    persistSeconds: 0.5,
    async strike({ doomed, id }) {
      doomed.order('store down')
      doomed.order('go on')
      app.mock.control.release()
      const storing = id('claimed', 'marked', 'asked', 'previewed', 'first_of_two', 'received', 'half_stored')
      await until('all to be made', async () => (await countOf(waiting)) === storing.length)
      // The other worker, which has another disk and can reach the store, lets them be.
      const sweeps = performance.now() + 2000 * worker.leaseSeconds
      await until('sweeps', async () => performance.now() > sweeps)
      assert.equal(await countOf(waiting), storing.length)
      doomed.order('store up')
    },
    ends: { first_of_two: bothDone },
  },
  {
    name: 'the gateway dies',
    async strike({ doomed, id }) {
      await app.mock.goDown()
      doomed.order('go on')
      app.mock.control.release()
      for (const job of id('claimed', 'marked'))
        await until('it to wait', async () => (await jobRow(db, job)).notBefore)
      await app.mock.comeBack()
    },
    ends: {
      asked: ['unknown', 'unknown', 'gateway_down', 0, 1],
      previewed: ['unknown', 'unknown', 'gateway_down', 0, 1],
      first_of_two: ['done', 'yes', 'gateway_down', 1, 1],
    },
  },
]

for (const outage of outages) {
  test(outage.name, async t => {
    const prompt = (moment: Moment) => `${outage.name}: ${moment};`
    const jobs = new Map<Moment, string>()
    const steps: Record<string, Step> = {}
    for (const moment of moments) {
      const hold = isHeld(moment) && held[moment]
      if (hold) app.mock.control.fault({ match: { prompt: prompt(moment) }, hold })
      const id = await ask(person, prompt(moment), { n: moment === 'first_of_two' ? '2' : '1' })
      jobs.set(moment, id)
      if (!isHeld(moment)) steps[id] = moment
    }
    const config = {
      limits: { ...app.config.limits, runningPerUser: 100 },
      worker: { ...worker, persistSeconds: outage.persistSeconds ?? worker.persistSeconds },
    }
    const doomed = await startSteppedWorker(app, { ...config, spill: spillOf('doomed') }, steps)
    await doomed.reached(Object.keys(steps))
    await app.mock.control.waitForCalls(Object.keys(held).length, { prompt: `${outage.name}:`, state: 'held' })
    await until('the preview', async () => (await shown(jobs.get('previewed')!)).previewStep !== null)
    await until('the first of two', async () => (await shown(jobs.get('first_of_two')!)).pictures === 1)
    const other = await startSteppedWorker(app, { ...config, spill: spillOf('other') })

    await outage.strike({ doomed, id: (...wanted) => wanted.map(moment => jobs.get(moment)!) })

    for (const moment of moments) {
      await t.test(moment, async () => {
        const [state, charged, reason, pictures, calls] = outage.ends[moment] ?? done
        const id = jobs.get(moment)!
        const seen = await until('its end', async () => {
          const row = await shown(id).catch(() => null)
          return (
            row?.state === state &&
            row.charged === charged &&
            row.pictures === pictures &&
            row.tokens.length === 0 &&
            row
          )
        }).catch(async () => shown(id))
        const { keySecret, tokens, ...told } = seen
        const { previewStep: _, ...end } = told
        assert.deepEqual(end, { state, charged, failureReason: reason, pictures })
        assert.equal(app.mock.control.calls({ prompt: prompt(moment) }).length, calls, 'calls')
        assert.equal(keySecret, null, 'the key is erased')
        assert.deepEqual(tokens, [], 'nothing is left to be found')
        const page = (await person.get(`/images/${id}`)).html
        assert.equal(page.querySelectorAll('.mosaic a:not([data-label]) img').length, pictures)
      })
    }
    await t.test('nothing is stuck, and no file is left over', async () => {
      const left = `select count(*) from image_jobs where state in ('queued', 'running') or lease_until is not null`
      await until('all leases to end', async () => (await countOf(left)) === 0)
      assert.equal(await countOf(`select count(*) from image_previews`), 0)
      await checkFiles()
    })
    await t.test('every bill of the gateway is on one receipt', async () => {
      assert.deepEqual(await differences({ db, mock: app.mock }, [person.email]), [])
    })
    await Promise.all([doomed.kill(), other.kill()])
    app.mock.control.clear()
  })
}

const spillOf = (disk: string) => ({ ...app.config.spill, directory: path.join(app.config.dataDirectory, disk) })

function isHeld(moment: Moment): moment is keyof typeof held {
  return moment in held
}

const Shown = z.object({
  state: z.string(),
  charged: z.string().nullable(),
  failureReason: z.string().nullable(),
  keySecret: z.instanceof(Buffer).nullable(),
  tokens: z.array(z.string()),
  previewStep: z.number().nullable(),
  pictures: z.number(),
})

function shown(id: string): Promise<z.output<typeof Shown>> {
  return db.one(
    Shown,
    `select state, charged, failure_reason, key_secret, tokens, preview_step,
       (select count(*) from pictures where job_id = j.id and condition <> 'preview') as pictures from image_jobs j where id = $1`,
    [id],
  )
}

async function countOf(sql: string): Promise<number> {
  return (await db.one(z.object({ count: z.number() }), sql)).count
}

/** Every stored object belongs to a row, and every row has its picture and thumbnail. */
async function checkFiles(): Promise<void> {
  const rows = await db.many(z.object({ token: z.string() }), `select token from files`)
  const expected = rows.flatMap(({ token }) => [token, `${token}.thumb`])
  const entries = await readdir(path.join(app.config.dataDirectory, 'assets'), { recursive: true, withFileTypes: true })
  const found = entries.filter(entry => entry.isFile() && !entry.name.startsWith('.')).map(entry => entry.name)
  assert.deepEqual(found.toSorted(), expected.toSorted())
}
