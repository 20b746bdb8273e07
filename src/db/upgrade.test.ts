import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { z } from 'zod'
import { findJob, type ImageJob } from '../images/job-queries.ts'
import { createSealer } from '../secrets/sealer.ts'
import { Secret } from '../secrets/secret.ts'
import type { Browser } from '../testing/browser.ts'
import { atEnd, type TestDatabase, testDatabase } from '../testing/database.ts'
import { jobEnd, jobRow } from '../testing/jobs.ts'
import { migrationsUpTo } from '../testing/migrations.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { type MadePicture, makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { migrate } from './migrate.ts'

// An installation of the first six migrations, with what people had made by then, comes up on this version.

const FIRST = '0006'
const emails = { old: 'old-alice@example.com', away: 'old-bob@example.com' }

let app: TestApp
let db: TestDatabase
let open: () => Browser
let picture: MadePicture

before(async () => {
  app = await testApp()
  picture = await makePicture(app, await alice(app), 'a picture whose bytes are in the store')
  db = await testDatabase()
  await db.run('drop schema public cascade; create schema public')
  const { folder, remove } = await migrationsUpTo(FIRST)
  atEnd(remove)
  await migrate(db, folder)
  await fill()
  const worker = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 5 }
  const another = await app.another({ databaseUrl: db.url, worker })
  open = another.browser
})

const userId = (email: string) => app.mock.control.user(email).id
const keyOf = (email: string) => app.mock.control.keysOf(email)[0]!
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000)

/** By what they are for. */
const jobs: Record<string, string> = {}
const messages: Record<string, string> = {}
let conversation: string
let sshKey: string
let batch: string

async function insert(table: string, row: Record<string, unknown>): Promise<void> {
  const names = Object.keys(row)
  const places = names.map((_, index) => `$${index + 1}`)
  await db.run(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, Object.values(row))
}

/** A job as that version left it. */
async function oldJob(name: string, email: string, fields: Record<string, unknown> = {}): Promise<void> {
  const id = randomUUID()
  jobs[name] = id
  await insert('image_jobs', {
    id,
    user_id: userId(email),
    submission: randomUUID(),
    state: 'done',
    model: 'gpt-image-2',
    prompt: `old: ${name}`,
    size: '1024x1024',
    quality: 'high',
    n: 1,
    format: 'png',
    background: 'auto',
    moderation: 'auto',
    estimate: 0.134,
    key_id: keyOf(email).id,
    caller_address: '192.0.2.7',
    caller_user_agent: 'an old browser',
    created_at: minutesAgo(91),
    started_at: minutesAgo(91),
    called_at: minutesAgo(90),
    finished_at: minutesAgo(88),
    attempts: 1,
    charged: 'yes',
    ...fields,
  })
}

async function oldMessage(name: string, parent: string | null, role: string, text = ''): Promise<string> {
  const id = randomUUID()
  messages[name] = id
  const parentId = parent && messages[parent]
  const row = { id, conversation_id: conversation, user_id: userId(emails.old), parent_id: parentId, role, text }
  await insert('chat_messages', { ...row, submission: role === 'user' ? randomUUID() : null })
  return id
}

async function oldAnswer(name: string, parent: string, fields: Record<string, unknown> = {}): Promise<void> {
  await insert('replies', {
    message_id: await oldMessage(name, parent, 'assistant'),
    conversation_id: conversation,
    user_id: userId(emails.old),
    state: 'done',
    purpose: 'answer',
    model: 'gpt-5.5',
    key_id: keyOf(emails.old).id,
    caller_address: '192.0.2.7',
    caller_user_agent: 'an old browser',
    started_at: minutesAgo(90),
    called_at: minutesAgo(90),
    finished_at: minutesAgo(89),
    attempts: 1,
    text: `old words: ${name}`,
    html: `<p>old words: ${name}</p>`,
    charged: 'yes',
    ...fields,
  })
}

/** A row of the gateway for a call of that time. */
function bill(email: string, cost: number, { requestId = '', model = 'gpt-image-2' } = {}): number {
  const id = app.mock.state.nextId++
  app.mock.state.usage.push({
    id,
    user_id: userId(email),
    api_key_id: keyOf(email).id,
    group_id: keyOf(email).group_id,
    request_id: `client:${requestId || randomUUID()}`,
    model,
    total_cost: cost,
    actual_cost: cost,
    image_count: 1,
    billing_mode: 'image',
    created_at: minutesAgo(89).toISOString(),
  })
  return id
}

async function fill(): Promise<void> {
  for (const email of Object.values(emails)) {
    await insert('users', { id: userId(email), email, name: 'Old', role: 'user' })
    // Deleted at the gateway since.
    await insert('accounts', {
      user_id: userId(email),
      balance: 3,
      key_id: 987_654,
      key_name: 'Of old',
      key_group: 'Gone',
    })
  }
  const { old, away } = emails
  const sealer = createSealer(app.config.sessionSecrets)
  const sealedFor = (email: string, id: string) =>
    sealer.seal(`key of job ${id}`, userId(email), new Secret(keyOf(email).key))

  sshKey = randomUUID()
  await insert('ssh_keys', {
    id: sshKey,
    user_id: userId(old),
    name: 'old laptop',
    type: 'ssh-ed25519',
    blob: Buffer.from('old'),
    fingerprint: 'SHA256:old',
    key_id: keyOf(old).id,
    key_name: 'Main',
    key_allows_images: true,
    key_secret: Buffer.from('sealed under a secret that is gone'),
    proved_at: minutesAgo(100),
    spend_per_day: 2,
  })
  batch = randomUUID()
  await insert('image_batches', { id: batch, user_id: userId(old), submission: randomUUID() })

  const ids = { paid: randomUUID(), late: randomUUID(), lost: randomUUID() }
  await oldJob('paid', old, { request_id: ids.paid, cost: 0.134 })
  bill(old, 0.134, { requestId: ids.paid })
  await oldJob('amount never learnt', old, { request_id: ids.late })
  bill(old, 0.201, { requestId: ids.late })
  await oldJob('refused', old, { state: 'failed', failure_reason: 'content_policy', charged: 'no' })
  await oldJob('paid for a broken picture', old, {
    state: 'failed',
    failure_reason: 'bad_image',
    request_id: randomUUID(),
    cost: 0.134,
  })
  await oldJob('never sent', old, { state: 'cancelled', called_at: null, started_at: null, charged: 'no' })
  await oldJob('lost', old, {
    state: 'unknown',
    failure_reason: 'interrupted',
    charged: 'unknown',
    request_id: ids.lost,
    evidence: { outcome: 'too_early', at: minutesAgo(80), rows: 1, usageId: null },
  })
  bill(old, 0.134, { requestId: ids.lost })
  await oldJob('given up silently', old, {
    state: 'unknown',
    failure_reason: 'timeout',
    charged: 'unknown',
    key_id: 987_654,
    reference_tokens: [picture.token],
    finished_at: minutesAgo(85),
  })
  const unclear = { outcome: 'unclear', at: minutesAgo(80), rows: 1, usageId: null }
  await oldJob('left open', old, {
    state: 'unknown',
    charged: 'unknown',
    failure_reason: 'gateway_down',
    evidence: unclear,
  })
  bill(old, 0.134)
  await oldJob('of a batch', old, { batch_id: batch, batch_line: 0, request_id: randomUUID(), cost: 0.134 })
  await oldJob('by a script', old, { ssh_key_id: sshKey, request_id: randomUUID(), cost: 0.134 })
  const queued = { state: 'queued', called_at: null, started_at: null, finished_at: null, attempts: 0, charged: null }
  await oldJob('waiting', old, queued)
  await db.run('update image_jobs set key_secret = $2 where id = $1', [jobs.waiting, sealedFor(old, jobs.waiting!)])
  await oldJob('under way', old, {
    state: 'running',
    finished_at: null,
    charged: null,
    claim: randomUUID(),
    lease_until: minutesAgo(80),
  })
  await oldJob('of somebody away', away, { state: 'unknown', charged: 'unknown', failure_reason: 'interrupted' })

  await db.run(`insert into files select $2, $1, sha256('old'), 3, 'png', 1024, 1024, false, '#808080', now()`, [
    userId(old),
    picture.token,
  ])
  for (const [position, name] of ['paid', 'of a batch'].entries()) {
    await insert('pictures', {
      user_id: userId(old),
      token: picture.token,
      job_id: jobs[name],
      position,
      model: 'gpt-image-2',
      prompt: `old: ${name}`,
      requested_size: '1024x1024',
      quality: 'high',
    })
  }

  conversation = randomUUID()
  await insert('conversations', {
    id: conversation,
    user_id: userId(old),
    title: 'An old talk',
    named_at: minutesAgo(80),
  })
  await oldMessage('question', null, 'user', 'draw me a house')
  const said = { paid: randomUUID(), stopped: randomUUID() }
  await oldAnswer('with a picture', 'question', { request_id: said.paid, cost: 0.02 })
  bill(old, 0.02, { requestId: said.paid, model: 'gpt-5.5' })
  await insert('tool_calls', {
    message_id: await oldMessage('card', 'with a picture', 'tool'),
    conversation_id: conversation,
    user_id: userId(old),
    state: 'done',
    call_id: 'call_1',
    name: 'generate_image',
    arguments: '{"prompt":"a house"}',
    prompt: 'a house',
    size: '1024x1024',
    job_id: jobs.paid,
    output: 'Done: 1 of 1, 1024x1024, is shown to the person.',
  })
  await oldAnswer('closing words', 'card', { purpose: 'close', text: 'There it is.', html: '<p>There it is.</p>' })
  await oldMessage('another question', 'closing words', 'user', 'and now?')
  await oldAnswer('stopped', 'another question', { state: 'stopped', charged: 'unknown', request_id: said.stopped })
  bill(old, 0.03, { requestId: said.stopped, model: 'gpt-5.5' })
  // Of one picture nobody has told the model, of another nobody could yet.
  for (const name of ['paid', 'waiting']) {
    await insert('tool_calls', {
      message_id: await oldMessage(`card of ${name}`, 'stopped', 'tool'),
      conversation_id: conversation,
      user_id: userId(old),
      state: 'painting',
      call_id: `call_${name}`,
      name: 'generate_image',
      arguments: '{"prompt":"a house"}',
      job_id: jobs[name],
    })
  }
  await oldMessage('read back', 'stopped', 'user', 'from a snapshot')
  await oldAnswer('from a snapshot', 'read back', { key_id: null, called_at: null, charged: null })
  await db.run('update conversations set head = $2 where id = $1', [conversation, messages['from a snapshot']])
}

const Receipt = z.object({
  charged: z.string(),
  endedAt: z.date().nullable(),
  usageId: z.number().nullable(),
  amount: z.coerce.number().nullable(),
  asked: z.record(z.string(), z.unknown()),
  delivered: z.array(z.unknown()).nullable(),
  keyName: z.string().nullable(),
  sshKeyName: z.string().nullable(),
  conversationTitle: z.string().nullable(),
})
const receiptOf = (subject: string) => db.maybeOne(Receipt, `select * from receipts where subject = $1`, [subject])
const jobOf = async (name: string): Promise<ImageJob> => (await findJob(db, userId(emails.old), jobs[name]!))!

test('every call that was sent has a receipt, which says what it was for, and nothing else has', async () => {
  for (const name of ['paid', 'paid for a broken picture', 'of a batch', 'by a script']) {
    const receipt = await receiptOf(jobs[name]!)
    assert.deepEqual([receipt?.charged, receipt?.amount], ['yes', 0.134], name)
    assert.deepEqual([receipt?.asked.size, receipt?.asked.quality, receipt?.asked.n], ['1024x1024', 'high', 1])
  }
  const refused = await receiptOf(jobs.refused!)
  assert.deepEqual([refused?.charged, refused?.endedAt !== null], ['no', true])
  assert.equal((await receiptOf(jobs['of somebody away']!))?.charged, 'unknown')
  assert.ok(await receiptOf(jobs['under way']!))
  assert.equal(await receiptOf(jobs['never sent']!), null)
  const paid = await receiptOf(jobs.paid!)
  assert.equal(paid?.conversationTitle, 'An old talk')
  assert.equal(paid?.delivered?.length, 1)
  const scripted = await receiptOf(jobs['by a script']!)
  assert.deepEqual([scripted?.sshKeyName, scripted?.keyName], ['old laptop', 'Main'])
  const Day = z.object({ pictures: z.number(), usd: z.coerce.number() })
  const days = await db.many(Day, `select pictures, usd from ssh_key_days where ssh_key_id = $1`, [sshKey])
  assert.deepEqual(days, [{ pictures: 1, usd: 0.134 }])
  const answer = await receiptOf(messages['with a picture']!)
  assert.deepEqual([answer?.amount, answer?.conversationTitle], [0.02, 'An old talk'])
  assert.equal(await receiptOf(messages['from a snapshot']!), null)
  const { count } = await db.one(z.object({ count: z.number() }), 'select count(*) from receipts')
  assert.ok(count >= 12)
})

test('what is new on the rows of that version says nothing that was not so', async () => {
  const wrong = await db.many(
    z.object({ id: z.string() }),
    `select id from image_jobs where finished_at < now() - interval '1 hour' and (spilled_by is not null
       or made_at is not null or previews is not null or waits_for is not null or estimate_stale or form is not null)`,
  )
  assert.deepEqual(wrong, [])
  const pictures = await db.many(
    z.object({ condition: z.string(), originalFormat: z.string().nullable(), spilled: z.number() }),
    `select p.condition, f.original_format, (select count(*) from chat_attachments where is_preview) as spilled
     from pictures p join files f using (token) where p.prompt like 'old: %' and p.job_id <> $1`,
    [jobs.waiting],
  )
  assert.deepEqual(pictures, Array(2).fill({ condition: 'whole', originalFormat: null, spilled: 0 }))
})

test('its people sign in, and every page of theirs is there', async () => {
  const person = await signedIn(app, emails.old, open())
  const paths = ['/images', '/library', '/library/trash', '/chat', '/agents', '/account']
  paths.push(`/chat/${conversation}`, `/agents/${sshKey}`, `/images/batches/${batch}`, `/files/${picture.token}`)
  for (const [name, id] of Object.entries(jobs)) if (name !== 'of somebody away') paths.push(`/images/${id}`)
  for (const address of paths) assert.equal((await person.get(address)).status, 200, address)
  const silent = await person.get(`/images/${jobs['given up silently']}`)
  assert.doesNotMatch(silent.text, /would keep it open/, 'nobody knows whether it was streamed')
  assert.equal((await person.get(`/images/${jobs['of somebody away']}`)).status, 404)

  await settled(person)
})

/** By itself, after the sign-in: what was billed is known by its request id, what was not stays the person's. */
async function settled(person: Person): Promise<void> {
  await db.run(`update receipts set look_at = now() where look_at is not null`)
  await until('the lost one to be found', async () => (await jobOf('lost')).cost === 0.134)
  await until('the amount that was never learnt', async () => (await jobOf('amount never learnt')).cost === 0.201)
  await until('the stopped answer', async () => (await receiptOf(messages.stopped!))?.amount === 0.03)
  const open = await until('the row that nothing explains', async () => {
    const { evidence } = await jobOf('left open')
    return evidence?.outcome === 'unclear' && evidence.candidates.length === 1 && evidence
  })
  const page = await person.get(`/images/${jobs['left open']}`)
  const shown = page.html.querySelectorAll('.candidates button').map(button => button.getAttribute('value'))
  assert.deepEqual(shown, [String(open.candidates[0]!.usageId)])
  assert.equal((await person.post(`/images/${jobs['left open']}/decide`, { row: shown[0]! })).status, 303)
  assert.equal((await jobOf('left open')).charged, 'yes')
}

test('the model is told of pictures that ended before, and of those that end now', async () => {
  for (const name of ['paid', 'waiting']) {
    await until(`the picture ${name}`, async () => {
      const call = await db.one(
        z.object({ state: z.string() }),
        `select state from tool_calls where job_id = $1 and call_id = $2`,
        [jobs[name], `call_${name}`],
      )
      return call.state === 'done'
    })
  }
})

test('what waited then is made now, and what was under way ends as unknown', async () => {
  assert.equal((await jobEnd(db, jobs.waiting!)).state, 'done')
  assert.equal((await jobEnd(db, jobs['under way']!)).state, 'unknown')
  assert.equal((await jobRow(db, jobs['of somebody away']!)).charged, 'unknown')
})

test('receipts of the version before know what they said, and those under way are ended by the sweep or given up', async () => {
  const old = await testDatabase()
  await old.run('drop schema public cascade; create schema public')
  const { folder, remove } = await migrationsUpTo('0020')
  atEnd(remove)
  await migrate(old, folder)
  const [title, gone, free, decided, running] = Array.from({ length: 5 }, () => randomUUID())
  await old.run(`insert into users (id, email, name, role) values (7, 'seven@example.com', '', 'user')`)
  await old.run(`insert into conversations (id, user_id, title) values ($1, 7, 'Named since')`, [title])
  const row = `insert into receipts (user_id, kind, subject, key_id, model, request_id, called_at, ended_at, certain,
    works_until, usage_id, cost, evidence) values (7, $1, $2, 3, 'gpt-image-2', $3, now(), now(), $4, now(), $5, $6, $7)`
  await old.run(row, ['title', title, 'id', true, 11, 0.1 + 0.2, null])
  await old.run(row, ['answer', gone, null, false, null, null, JSON.stringify({ outcome: 'unclear', at: new Date() })])
  await old.run(row, [
    'title',
    free,
    null,
    false,
    null,
    null,
    JSON.stringify({ outcome: 'not_charged', at: new Date() }),
  ])
  await old.run(row, ['answer', decided, null, false, 12, 0.5, JSON.stringify({ outcome: 'decided', at: new Date() })])
  await old.run(
    `insert into image_jobs (id, user_id, submission, state, model, prompt, size, quality, n, format, background,
       moderation, key_id, key_secret, caller_address, caller_user_agent, called_at, claim, lease_until, estimate)
     values ($1, 7, $1, 'running', 'gpt-image-2', 'words that stay here', 'auto', 'low', 3, 'png', 'auto', 'auto', 3,
       '\\x00', '', '', now(), $1, now(), 0.4)`,
    [running],
  )
  await migrate(old)
  const Told = z.object({
    subject: z.string(),
    charged: z.string(),
    amount: z.string().nullable(),
    isOpen: z.boolean(),
  })
  const told = await old.many(Told, `select subject, charged, amount, ended_at is null as is_open from receipts`)
  const of = (subject: string) => told.find(each => each.subject === subject)
  assert.deepEqual(of(title!), { subject: title, charged: 'yes', amount: '0.3000000000', isOpen: false })
  assert.deepEqual(of(gone!), { subject: gone, charged: 'unknown', amount: null, isOpen: false })
  assert.deepEqual(of(free!), { subject: free, charged: 'no', amount: null, isOpen: false })
  assert.deepEqual(of(decided!), { subject: decided, charged: 'yes', amount: '0.5000000000', isOpen: false })
  assert.deepEqual(of(running!), { subject: running, charged: 'unknown', amount: null, isOpen: true })
  const Row = z.object({ row: z.string() })
  const { row: whole } = await old.one(Row, `select to_jsonb(r)::text as row from receipts r where subject = $1`, [
    running,
  ])
  assert.doesNotMatch(whole, /words that stay here/)
})
