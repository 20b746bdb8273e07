import { createHash, randomUUID } from 'node:crypto'
import sharp from 'sharp'
import type { Database } from '../../src/db/db.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { MockGateway } from '../../src/mock/server.ts'
import type { Sealer } from '../../src/secrets/sealer.ts'
import { Secret } from '../../src/secrets/secret.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { migrationsUpTo } from '../../src/testing/migrations.ts'

/** Of the last schema that was frozen. */
const FROZEN = '0020'

interface Site {
  db: Database
  mock: MockGateway
  storage: Storage
  sealer: Sealer
}

/** An empty database as the version before left it, with work of one person in every state; for the processes to bring up. */
export async function openOldHouse({ db, mock, storage, sealer }: Site, email: string): Promise<void> {
  const { folder, remove } = await migrationsUpTo(FROZEN)
  await migrate(db, folder)
  await remove()
  const user = mock.control.user(email)
  const key = mock.control.keysOf(email)[0]!
  const own = { user_id: user.id }
  const caller = { key_id: key.id, caller_address: '192.0.2.7', caller_user_agent: 'an old browser' }
  const [called, ended] = [minutesAgo(20), minutesAgo(18)]
  let wishes = 0

  async function insert(table: string, row: Record<string, unknown>): Promise<void> {
    const names = Object.keys(row)
    const places = names.map((_, index) => `$${index + 1}`)
    await db.run(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, Object.values(row))
  }

  /** What the gateway has billed for it. */
  function bill(requestId: string, model: string, cost: number): void {
    mock.state.usage.push({
      id: mock.state.nextId++,
      user_id: user.id,
      api_key_id: key.id,
      group_id: key.group_id,
      request_id: `client:${requestId}`,
      model,
      total_cost: cost,
      actual_cost: cost,
      image_count: 1,
      billing_mode: 'image',
      created_at: ended.toISOString(),
    })
  }

  async function receipt(kind: string, subject: string, model: string, requestId: string, certain: boolean) {
    const times = { called_at: called, ended_at: ended, works_until: minutesAgo(-1), look_at: new Date() }
    await insert('receipts', { ...own, kind, subject, key_id: key.id, model, request_id: requestId, certain, ...times })
  }

  async function job(state: string, fields: Record<string, unknown>): Promise<{ id: string; requestId: string }> {
    const [id, requestId] = [randomUUID(), randomUUID()]
    const isCalled = state === 'running' || state === 'done' || state === 'unknown'
    const asked = { prompt: `old wish ${++wishes}.`, model: 'gpt-image-2', size: '1024x1024', quality: 'high', n: 1 }
    await insert('image_jobs', {
      id,
      ...own,
      ...caller,
      ...asked,
      submission: randomUUID(),
      state,
      format: 'png',
      background: 'auto',
      moderation: 'auto',
      estimate: 0.134,
      created_at: minutesAgo(21),
      ...(isCalled && { started_at: called, called_at: called, attempts: 1, request_id: requestId }),
      ...(state !== 'running' && state !== 'queued' && { finished_at: ended }),
      ...fields,
    })
    if (isCalled) bill(requestId, asked.model, 0.134)
    return { id, requestId }
  }

  await insert('users', { id: user.id, email, name: 'Old', role: 'user' })
  const queued = await job('queued', {})
  const sealed = sealer.seal(`key of job ${queued.id}`, user.id, new Secret(key.key))
  await db.run('update image_jobs set key_secret = $2 where id = $1', [queued.id, sealed])
  await job('running', { claim: randomUUID(), lease_until: minutesAgo(18) })
  const lost = await job('unknown', { failure_reason: 'interrupted', charged: 'unknown' })
  await receipt('picture', lost.id, 'gpt-image-2', lost.requestId, false)
  await job('failed', { failure_reason: 'content_policy', charged: 'no' })
  await job('cancelled', { charged: 'no' })
  const done = await job('done', { charged: 'yes' })
  await receipt('picture', done.id, 'gpt-image-2', done.requestId, true)

  const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#808080' } })
    .png()
    .toBuffer()
  const token = 'old_picture_of_the_house_before_0'
  await storage.put(token, bytes, { contentType: 'image/png' })
  const shape = { format: 'png', width: 64, height: 64, has_alpha: false, color: '#808080' }
  await insert('files', {
    ...own,
    token,
    ...shape,
    sha256: createHash('sha256').update(bytes).digest(),
    bytes: bytes.length,
  })
  const made = { model: 'gpt-image-2', prompt: 'an old one', requested_size: '1024x1024', quality: 'high' }
  await insert('pictures', { ...own, token, job_id: done.id, ...made })

  const [conversation, question, answer, requestId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()]
  await insert('conversations', { id: conversation, ...own, title: 'An old talk', named_at: ended })
  const message = { ...own, conversation_id: conversation }
  await insert('chat_messages', { ...message, id: question, role: 'user', text: `old wish ${++wishes}.` })
  await insert('chat_messages', { ...message, id: answer, parent_id: question, role: 'assistant' })
  await db.run('update conversations set head = $2 where id = $1', [conversation, answer])
  await insert('replies', {
    ...message,
    ...caller,
    message_id: answer,
    state: 'running',
    purpose: 'answer',
    model: 'gpt-5.5',
    started_at: called,
    called_at: called,
    attempts: 1,
    request_id: requestId,
    claim: randomUUID(),
    lease_until: minutesAgo(18),
  })
  bill(requestId, 'gpt-5.5', 0.02)
}

function minutesAgo(minutes: number): Date {
  return new Date(Date.now() - minutes * 60_000)
}
