import assert from 'node:assert/strict'
import { once } from 'node:events'
import { before, test } from 'node:test'
import { z } from 'zod'
import { type Database, openDatabase } from '../db/db.ts'
import type { Point } from '../mock/faults.ts'
import { answerCalls, say } from '../testing/conversations.ts'
import { atEnd, type RestartablePostgres, restartablePostgres } from '../testing/database.ts'
import { alice, type Person } from '../testing/people.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { type SteppedChat, startSteppedChat } from '../testing/stepped-chat.ts'

// Once means once: every step of a turn with a picture, from the first model call to the second, × what can go away
// under it. All turns of an outage stand at their steps when it strikes, in a worker process of their own; then a second
// worker comes.
const worker = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 20 }

/** Steps that the gateway holds; the others are held inside the process. */
const held: Record<string, Point> = { asked: 'before_headers', words: 'mid_picture' }
const moments = [
  ...['claimed', 'marked', 'asked', 'words', 'received', 'ended'].map(step => `answer ${step}`),
  ...['claimed', 'marked', 'asked', 'words', 'received', 'ended'].map(step => `close ${step}`),
  // Last: while the worker stands there it tells the model of no other picture.
  'call painted',
]

interface End {
  replies: string[]
  call: string | null
  /** Asked of the text model, and of the image model. */
  calls: number
  pictures: number
}
const proposed: End = { replies: ['done'], call: 'asked', calls: 1, pictures: 0 }
const closed: End = { replies: ['done', 'done'], call: 'done', calls: 2, pictures: 1 }
const lostAnswer: End = { replies: ['unknown'], call: null, calls: 1, pictures: 0 }
const lostWords: End = { ...closed, replies: ['done', 'unknown'] }

interface Turn {
  person: Person
  id: string
}

let postgres: RestartablePostgres
let app: TestApp
let db: Database
before(async () => {
  postgres = await restartablePostgres()
  app = await testApp({ databaseUrl: postgres.url, role: 'web', worker })
  db = openDatabase({ url: postgres.url, max: 2 })
  atEnd(() => db.close())
})

const outages: { name: string; strike(doomed: SteppedChat): Promise<void>; ends: Record<string, End> }[] = [
  {
    name: 'the worker is killed',
    async strike({ child }) {
      child.kill('SIGKILL')
      app.mock.control.release()
    },
    ends: {
      'answer marked': { ...lostAnswer, calls: 0 },
      'answer asked': lostAnswer,
      'answer words': lostAnswer,
      'answer received': lostAnswer,
      'close marked': { ...lostWords, calls: 1 },
      'close asked': lostWords,
      'close words': lostWords,
      'close received': lostWords,
    },
  },
  {
    name: 'Postgres is restarted',
    async strike({ child }) {
      await postgres.stop('SIGKILL')
      child.send('go on')
      app.mock.control.release()
      await until('the replies', async () => app.mock.control.calls({ state: 'held' }).length === 0)
      await postgres.start()
    },
    ends: {},
  },
]

for (const outage of outages) {
  test(outage.name, async t => {
    const turns = new Map<string, Turn>()
    for (const moment of moments) {
      const text = words(outage.name, moment)
      const [purpose = '', step = ''] = moment.split(' ')
      const hold = held[step]
      // The first call of a turn that is to stand at its second goes through.
      if (hold && purpose === 'close') app.mock.control.fault({ match: { prompt: text }, slower: 1 })
      if (hold) app.mock.control.fault({ match: { prompt: text }, hold })
      const person = await alice(app)
      turns.set(moment, { person, id: await say(person, text) })
    }
    const inside = moments.filter(moment => !held[moment.split(' ')[1]!])
    const stepOf = (moment: string) => `${turns.get(moment)!.id} ${moment}`
    const doomed = await startSteppedChat(app, inside.map(stepOf))
    for (const moment of moments.filter(each => each.startsWith('close'))) await paint(turns.get(moment)!)
    const others = inside.filter(moment => moment !== 'call painted').map(stepOf)
    await doomed.reached(...others)
    await app.mock.control.waitForCalls(4, { prompt: outage.name, state: 'held' })
    await paint(turns.get('call painted')!)
    await doomed.reached(stepOf('call painted'))

    await outage.strike(doomed)
    const other = await startSteppedChat(app)

    for (const moment of moments) {
      await t.test(moment, async () => {
        const expected = outage.ends[moment] ?? (moment.startsWith('answer') ? proposed : closed)
        const { person, id } = turns.get(moment)!
        const shown = async (): Promise<End> => ({
          ...(await rowsOf(id)),
          calls: answerCalls(app.mock, { email: person.email }).length,
          pictures: app.mock.control.calls({ path: '/v1/images/generations', email: person.email }).length,
        })
        await until('its end', async () => {
          const { replies, call } = await shown().catch(() => ({ replies: [], call: null }))
          return replies.join() === expected.replies.join() && call === expected.call
        }).catch(() => undefined)
        assert.deepEqual(await shown(), expected)
      })
    }
    await t.test('nothing is stuck, and no key is left', async () => {
      const Left = z.object({ left: z.number() })
      const sql = `select count(*) as left from replies where state in ('queued', 'running') or key_secret is not null`
      assert.equal((await db.one(Left, sql)).left, 0)
    })
    await t.test('every bill of the gateway is on one receipt', async () => {
      const emails = [...turns.values()].map(({ person }) => person.email)
      assert.deepEqual(await differences({ db, mock: app.mock }, emails), [])
    })
    doomed.child.kill('SIGKILL')
    other.child.kill('SIGKILL')
    app.mock.control.clear()
  })
}

test('a worker that is told to stop gives back the answer that it has claimed and not asked for yet', async () => {
  const turns: Turn[] = []
  for (const step of ['claimed', 'marked']) {
    const person = await alice(app)
    turns.push({ person, id: await say(person, `given back when ${step}`) })
  }
  const steps = turns.map(({ id }, i) => `${id} answer ${['claimed', 'marked'][i]}`)
  const stopped = await startSteppedChat(app, steps)
  await stopped.reached(...steps)

  const ended = once(stopped.child, 'exit')
  stopped.child.send('stop')
  await stopped.reached('stopping')
  stopped.child.send('go on')
  await ended

  for (const { id } of turns) assert.deepEqual((await rowsOf(id)).replies, ['queued'])
  const asked = turns.map(({ id }) => id)
  assert.equal(await db.run('select from receipts where conversation_id = any($1)', [asked]), 0, 'nothing was called')
  assert.equal(answerCalls(app.mock, { prompt: 'given back' }).length, 0)
  const other = await startSteppedChat(app)
  for (const { id } of turns) {
    await until('the answer', async () => (await rowsOf(id)).replies[0] === 'done')
  }
  assert.equal(answerCalls(app.mock, { prompt: 'given back' }).length, 2)
  other.child.kill('SIGKILL')
})

const words = (outage: string, moment: string) => `draw a pier, ${outage}: ${moment};`

async function paint({ person, id }: Turn): Promise<void> {
  const action = await until('a card', async () => {
    const page = await person.get(`/chat/${id}`)
    return page.html.querySelector('form.card')?.getAttribute('action')
  })
  assert.equal((await person.post(action, { prompt: 'a pier', size: '1024x1024', n: '1' })).status, 303)
}

const Rows = z.object({ replies: z.array(z.string()), call: z.string().nullable() })

/** The states of the turn's answers, oldest first, and of its call. */
function rowsOf(id: string): Promise<z.output<typeof Rows>> {
  return db.one(
    Rows,
    `select array(select r.state from replies r join chat_messages m on m.id = r.message_id
                  where r.conversation_id = $1 order by m.number) as replies,
       (select state from tool_calls where conversation_id = $1) as call`,
    [id],
  )
}
