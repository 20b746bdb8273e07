import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { boundKey } from '../testing/agents.ts'
import { talk } from '../testing/conversations.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { zipOf } from '../testing/zip.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

test('of a person who leaves no row of any table stays, and of nobody else a row is touched', async () => {
  const [owner, other] = [await alice(app), await alice(app)]
  const hers = await fill(owner, other)
  const his = await fill(other, owner)
  const tables = await personalTables()
  const before = await rowsOf(tables, hers.userId)
  for (const [table, rows] of before) assert.ok(rows.length > 0, `the test has nothing in ${table}`)
  const known = await rowsOf(tables, his.userId)
  const tokens = await tokensOf(hers.userId)
  assert.ok(tokens.length > 2 && tokens.every(stored))
  const sums = await receiptSums()

  await leave(owner)
  await gone(hers.userId)

  for (const [table, rows] of await rowsOf(tables, hers.userId)) assert.deepEqual(rows, [], table)
  for (const table of ['departures', 'gallery_audit', 'gallery_blocks', 'sessions']) {
    const { rows } = await app.db.pool.query<{ row: string }>(`select to_jsonb(t)::text as row from ${table} t`)
    for (const { row } of rows)
      assert.doesNotMatch(row, new RegExp(`_?(id|Id)": ?${hers.userId}[,}]|${owner.email}`), table)
  }
  assert.deepEqual(await rowsOf(tables, his.userId), known)
  assert.deepEqual(tokens.filter(stored), [])
  assert.ok((await tokensOf(his.userId)).every(stored))

  assert.deepEqual(await receiptSums(), sums)
  const { rows } = await app.db.pool.query<{ row: string }>(
    `select to_jsonb(r)::text as row from receipts r where user_id is null`,
  )
  assert.ok(rows.length >= 2)
  for (const { row } of rows) {
    assert.doesNotMatch(row, new RegExp(`${owner.email}|Weekend|heron|laptop|${hers.job}`))
  }
})

test('what was public is gone with the press, and nobody is signed in any more: no browser, no script', async () => {
  const [owner, other] = [await alice(app), await alice(app)]
  const { exhibit, userId } = await fill(owner, other)
  const second = await signedIn(app, owner.email)
  const held = app.mock.control.fault({ match: { prompt: 'held while she leaves' }, hold: 'before_headers' })
  const { location } = await owner.post('/images', { prompt: 'held while she leaves' })
  const job = location.slice('/images/'.length)
  await until(
    'the call',
    async () => (await find(`select from image_jobs where id = $1 and called_at is not null`, job)).length,
  )
  const answer = await leave(owner)

  assert.equal(answer.location, '/login?signed_out=gone')
  assert.match((await owner.open(answer.location)).text, /being deleted/)
  for (const browser of [owner, second]) assert.match((await browser.get('/library')).location, /^\/login/)
  assert.equal((await app.browser().get(`/shared/${exhibit}/picture`)).status, 404)
  assert.equal((await app.browser().get(`/gallery/${exhibit}`)).status, 404)
  assert.equal((await find(`select from ssh_keys where user_id = $1`, userId)).length, 0)

  // The call is out: its receipt is waited for, and nobody comes in between.
  const refused = await app.browser().post('/login', { email: owner.email, password: `password of ${owner.email}` })
  assert.equal(refused.status, 409)
  assert.match(refused.text, /still being deleted/)
  assert.equal((await find(`select from departures where user_id = $1`, userId)).length, 1)
  assert.equal((await find(`select from receipts where subject = $1 and ended_at is null`, job)).length, 1)
  app.mock.control.release(held)
  await gone(userId)
  const ended = await find(
    `select from receipts where user_id is null and ended_at is not null and charged = 'yes' and asked->>'n' = '1'`,
  )
  assert.ok(ended.length > 0)

  const fresh = await signedIn(app, owner.email)
  assert.equal((await fresh.get('/library')).status, 200)
  assert.deepEqual(await tokensOf(userId), [])
  await makePicture(app, fresh, 'a heron of the new one')
})

test('what waits when somebody leaves is never asked for', async () => {
  const owner = await alice(app)
  const { userId } = await idOf(owner)
  const prompts = Array.from({ length: 6 }, (_, each) => `left waiting ${each}`)
  const held = app.mock.control.fault({ match: { prompt: 'left waiting' }, hold: 'before_headers', times: 10 })
  for (const prompt of prompts) await owner.post('/images', { prompt })
  const calls = () => app.mock.control.calls().filter(call => call.prompt.includes('left waiting')).length
  await until('as many calls as may run', async () => calls() === app.config.limits.runningPerUser)
  await leave(owner)
  app.mock.control.release(held)
  await gone(userId)
  assert.equal(calls(), app.config.limits.runningPerUser)
})

test('it is asked twice: with another word nothing is deleted, and charlie deletes nobody but himself', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron that stays here')
  assert.match((await owner.get('/account')).text, /href="\/account\/delete"/)
  const page = await owner.get('/account/delete')
  assert.match(page.text, /1 picture with its thumbnail/)
  assert.match(page.text, /account at the gateway stays/)
  for (const email of ['', 'delete', 'someone@example.com']) {
    const answer = await owner.post('/account/delete', { email })
    assert.equal(answer.status, 422)
    assert.match(answer.text, /Nothing was deleted/)
  }
  const stranger = await charlie(app)
  assert.equal((await stranger.post('/account/delete', { email: owner.email })).status, 422)
  assert.match((await app.browser().post('/account/delete', { email: owner.email })).location, /^\/login/)
  await leave(stranger)
  assert.equal((await owner.get(`/library/${picture.id}`)).status, 200)
})

test('one whose worker died goes on with another, and pressed twice it is one', async () => {
  const owner = await alice(app)
  const { userId } = await idOf(owner)
  await makePicture(app, owner, 'a heron left half')
  await app.another({ role: 'worker', worker: { ...app.config.worker, tickSeconds: 0.1, sweepSeconds: 0.2 } })
  await app.db.run(
    `create or replace function leave_half() returns trigger language plpgsql as $$ begin
       new.state := 'running'; new.claim := gen_random_uuid(); new.attempts := 1;
       new.lease_until := now() - interval '1 minute'; return new; end $$`,
  )
  await app.db.run(`create trigger leave_half before insert on departures for each row execute function leave_half()`)
  const second = await signedIn(app, owner.email)
  await Promise.all([leave(owner), second.post('/account/delete', { email: owner.email })])
  await app.db.run(`drop trigger leave_half on departures`)
  await gone(userId)
  assert.equal((await find(`select from users where id = $1`, userId)).length, 0)
})

/** Something in every table that has rows of a person. */
async function fill(person: Person, friend: Person) {
  const { userId } = await idOf(person)
  const picture = await makePicture(app, person, `a heron of ${userId}`)
  await person.post('/prompts', { prompt: 'A {bird} over the lake' })
  await person.post('/prompts/suggestions', { prompt: 'a heron to be improved' })
  await person.post(`/library/${picture.id}/details`, { folder: 'Lake', tags: 'Birds' })
  await person.post('/library/selection', { act: 'tag', tags: 'More', id: picture.id })
  await talk(app.db, person, `tell me of herons, ${userId}`)
  const share = { where: 'gallery', prompt: 'on', settings: 'on', name: `Person ${userId}`, picture: picture.id }
  const exhibit = (await person.post('/gallery/share', share)).location.split('/').at(-1)!
  await person.post(`/gallery/${exhibit}/like`, { like: 'on' })
  await boundKey(app, person)
  await person.post('/exports/everything', { as_of: new Date().toISOString() })
  const { location } = await person.upload('/imports', [['a.zip', zipOf([{ name: 'notes.txt', content: 'x' }])]])
  await until('the import', async () => /looked at/.test((await person.get(location)).text))
  await until(
    'the export',
    async () => (await find(`select from exports where user_id = $1 and state = 'ready'`, userId)).length,
  )
  await until('quiet', async () => {
    const open = await find(
      `select from news where user_id = $1 union all select from image_jobs where user_id = $1 and state in ('queued', 'running')`,
      userId,
    )
    return open.length === 0
  })
  await until('receipts to be settled', async () => {
    return (await find(`select from receipts where user_id = $1 and look_at is not null`, userId)).length === 0
  })
  const { rows } = await app.db.pool.query<{ id: string }>('select id from ssh_keys where user_id = $1', [userId])
  const key = rows[0]!.id
  const statements: [string, unknown[]][] = [
    [`insert into chat_drafts (user_id, place, form) values ($1, 'new', '{}') on conflict do nothing`, [userId]],
    [
      `insert into chat_line (conversation_id, user_id, submission, text, attachments, model, caller_address, caller_user_agent, held)
       select id, $1, gen_random_uuid(), 'later', '[]', 'gpt-5.5', '', '', '{"key":"chat.line.after.restored","params":{},"see":null}'
       from conversations where user_id = $1 limit 1`,
      [userId],
    ],
    [`insert into chat_settings (user_id) values ($1) on conflict do nothing`, [userId]],
    [`insert into image_batches (id, user_id, submission) values (gen_random_uuid(), $1, gen_random_uuid())`, [userId]],
    [`insert into chat_texts (user_id, name, text) values ($1, 'a', 'b')`, [userId]],
    [`insert into gallery_shares (user_id, total) values ($1, 1)`, [userId]],
    [
      `with told as (insert into announcements (id, en, zh, starts_at) values (gen_random_uuid(), 'x', '', now()) returning id)
       insert into announcement_dismissals (announcement_id, user_id) select id, $1 from told`,
      [userId],
    ],
    [`insert into budgets (user_id, per_day) values ($1, 1000)`, [userId]],
    [`insert into budget_overrides (user_id, reason, expires_at) values ($1, 'x', now())`, [userId]],
    [`insert into image_drafts (user_id, form) values ($1, '{}') on conflict do nothing`, [userId]],
    [`insert into kept_drafts (user_id, page, form) values ($1, gen_random_uuid(), '{}')`, [userId]],
    [`insert into image_masks (user_id, width, height, bytes) values ($1, 1, 1, '')`, [userId]],
    [`insert into edit_billing (user_id, key_id, by_tokens) values ($1, 1, false) on conflict do nothing`, [userId]],
    [`insert into key_lanes (user_id, key_id, at_once) values ($1, 1, 2)`, [userId]],
    [`insert into ssh_key_days (ssh_key_id, day, user_id, pictures, usd) values ($2, now(), $1, 1, 1)`, [userId, key]],
    [
      `insert into gallery_reports (exhibit_id, user_id, reason, words) values ($2, $1, 'spam', 'x')`,
      [userId, exhibit],
    ],
    [
      `insert into gallery_audit (admin_id, did, picture_id, user_id, reason) values (999, 'show', $2, $1, 'x')`,
      [userId, picture.id],
    ],
    [
      `insert into gallery_audit (admin_id, did, picture_id, user_id, reason) values ($1, 'show', $2, 999, 'x')`,
      [userId, randomUUID()],
    ],
    [
      `insert into tool_calls (message_id, conversation_id, user_id, state, call_id, name, arguments)
      select id, conversation_id, user_id, 'done', 'c', 'n', '{}' from chat_messages where user_id = $1 limit 1`,
      [userId],
    ],
    [
      `insert into panel_calls (user_id, minute, calls, usage_calls) values ($1, now(), 1, 0) on conflict do nothing`,
      [userId],
    ],
    // Nobody acts on them before their time.
    [
      `insert into image_jobs (id, user_id, submission, model, prompt, size, quality, n, format, background, moderation, key_id,
         caller_address, caller_user_agent, not_before)
       select gen_random_uuid(), user_id, gen_random_uuid(), model, prompt, size, quality, n, format, background, moderation, key_id,
         caller_address, caller_user_agent, now() + interval '1 day' from image_jobs where user_id = $1 limit 1`,
      [userId],
    ],
    [
      `insert into news (user_id, topic, subject, not_before) values ($1, 'conversation-changed', gen_random_uuid(), now() + interval '1 day')`,
      [userId],
    ],
    [
      `insert into gallery_blocks (user_id, blocked_id)
      select $1, user_id from exhibitors where user_id <> $1 limit 1 on conflict do nothing`,
      [userId],
    ],
  ]
  for (const [sql, values] of statements) await app.db.pool.query(sql, values)
  assert.ok(friend)
  return { userId, exhibit, job: picture.jobId }
}

/** Tables with a column for whose their rows are, as the database knows them. */
async function personalTables(): Promise<string[]> {
  const { rows } = await app.db.pool.query<{ name: string }>(
    `select relname as name from pg_attribute join pg_class c on c.oid = attrelid
     where attname = 'user_id' and relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'departures'
     order by 1`,
  )
  return rows.map(({ name }) => name)
}

async function rowsOf(tables: readonly string[], userId: number): Promise<[string, string[]][]> {
  const found: [string, string[]][] = []
  for (const table of tables) {
    // The first of a test blocks nobody: there is no other exhibitor yet.
    if (table === 'gallery_blocks') continue
    const { rows } = await app.db.pool.query<{ row: string }>(
      `select (to_jsonb(t) - 'last_seen_at' - 'created_at')::text as row from ${table} t where user_id = $1 order by 1`,
      [userId],
    )
    found.push([table, rows.map(({ row }) => row)])
  }
  return found
}

async function receiptSums() {
  const { rows } = await app.db.pool.query<{ row: string }>(
    `select count(*) || ' ' || sum(amount) || ' ' || sum(counted_usd) || ' ' || sum(counted_pictures) as row from receipts`,
  )
  return rows
}

async function tokensOf(userId: number): Promise<string[]> {
  const { rows } = await app.db.pool.query<{ name: string }>(
    `select token as name from files where user_id = $1
     union select token || '.thumb' from files where user_id = $1
     union select snapshot_key || '.conversation' from conversations where user_id = $1
     union select object from export_files join exports e on e.id = export_id where user_id = $1 and is_paper`,
    [userId],
  )
  return rows.map(({ name }) => name)
}

function stored(name: string): boolean {
  const names = readdirSync(path.join(app.config.dataDirectory, 'assets'), { recursive: true })
  return names.some(each => path.basename(String(each)) === name)
}

async function idOf({ email }: Person): Promise<{ userId: number }> {
  const { rows } = await app.db.pool.query<{ id: string }>('select id from users where email = $1', [email])
  return { userId: Number(rows[0]!.id) }
}

async function find(sql: string, ...values: unknown[]): Promise<object[]> {
  const { rows } = await app.db.pool.query<object>(sql, values)
  return rows
}

function leave(person: Person) {
  return person.post('/account/delete', { email: ` ${person.email.toUpperCase()} ` })
}

function gone(userId: number) {
  return until('the departure to be over', async () => {
    await app.db.run(`update departures set not_before = null where state = 'queued'`)
    return (await find(`select from departures where user_id = $1`, userId)).length === 0
  })
}
