import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import { z } from 'zod'
import { openStorage } from '../storage/storage.ts'
import { startBucket } from '../testing/bucket.ts'
import { answerCalls, replyIn, say, talk } from '../testing/conversations.ts'
import { atEnd, type TestDatabase, testDatabase } from '../testing/database.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { makePicture, makePictures } from '../testing/pictures.ts'
import { startProcess } from '../testing/process.ts'
import { type Ended, environmentOf, runScript, startScript } from '../testing/script.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { translator } from '../web/i18n.ts'
import { listBackups } from './backup.ts'

const t = translator('en')
const worker = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 10 }

let app: TestApp
let person: Person
let environment: Record<string, string>
/** Picture jobs and conversations that were open when the backup was made. */
const open = { called: '', queued: '', answered: '', asked: '' }

// People have pictures, conversations and things under way when the worker dies: from then on nothing changes.
before(async () => {
  app = await testApp({ role: 'web', worker })
  environment = environmentOf(app.config, app.db.url)
  const limits = { ...app.config.limits, runningPerUser: 1 }
  const config = JSON.stringify({ ...app.config, role: 'worker', limits })
  const { child } = await startProcess(app, { TEST_CONFIG: config }, 'process-main.ts')
  person = await alice(app)
  await makePictures(app, person, { prompt: 'two foxes,\ta tab, a \\ and 雪', n: '2' })
  const gone = await makePicture(app, person, 'one for the trash')
  await app.db.run('update pictures set deleted_at = now() where id = $1', [gone.id])
  const told = await talk(app.db, person, 'hello there')
  const { mock } = app
  mock.control.fault({ match: { prompt: 'a picture under way' }, hold: 'after_partial' })
  open.called = await ask(person, 'a picture under way')
  await mock.control.waitForCalls(1, { prompt: 'a picture under way', state: 'held' })
  open.queued = await ask(person, 'a picture that waits')
  mock.control.fault({ match: { prompt: 'an answer under way' }, hold: 'before_headers', times: 4 })
  for (const number of [1, 2, 3, 4]) open.answered = await say(person, `an answer under way ${number}`)
  await mock.control.waitForCalls(4, { prompt: 'an answer under way', state: 'held' })
  open.asked = await say(person, 'an answer that waits')
  await until('the file of a conversation', () =>
    app.db.maybeOne(
      z.unknown(),
      `select 1 where not exists (select from news where topic = 'conversation-changed') and $1::text is not null`,
      [told.id],
    ),
  )
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  mock.control.release()
  // What would follow an answer that had just ended.
  await app.db.run(
    `insert into news (user_id, topic, subject) select user_id, 'answer-ended', message_id from replies where state = 'done'`,
  )
})

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'playground-backup-'))
  atEnd(() => rm(made, { recursive: true, force: true }))
  return made
}

async function emptyDatabase(): Promise<TestDatabase> {
  const db = await testDatabase()
  await db.run('drop schema public cascade; create schema public; drop schema pgboss cascade')
  return db
}

async function made(directory: string): Promise<string> {
  const { code, report, complained } = await runScript('backup', [directory, '--json'], environment)
  assert.equal(code, 0, complained)
  return String(report.folder)
}

/** A database and a data directory with the backup in them. */
async function restored(backup: string, changes: Record<string, string> = {}) {
  const db = await emptyDatabase()
  const dataDirectory = await folder()
  const there = { ...environment, DATABASE_URL: db.url, PLAYGROUND_DATA_DIR: dataDirectory, ...changes }
  const ended = await runScript('restore', [backup, '--json'], there)
  return { db, dataDirectory, environment: there, ...ended }
}

/** Each table's rows as JSON, but what parking changes on those that are open. */
async function rowsOf(db: TestDatabase): Promise<Record<string, string[]>> {
  const tables = await db.many(
    z.object({ name: z.string() }),
    `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
       and relpersistence = 'p' and relname <> 'migrations' order by 1`,
  )
  const rows: Record<string, string[]> = {}
  for (const { name } of tables) {
    const found = await db.many(
      z.object({ row: z.string() }),
      `select (to_jsonb(t) ${['image_jobs', 'replies', 'news'].includes(name) ? `- 'parked_at' - 'version'` : ''})::text as row
       from public.${name} t order by 1`,
    )
    rows[name] = found.map(({ row }) => row)
  }
  return rows
}

async function filesOf(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(path.join(directory, 'assets'), { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath, entry.name))
  const read = await Promise.all(files.map(async file => [path.relative(directory, file), await readFile(file, 'hex')]))
  return new Map(read as [string, string][])
}

test('a backup of a running app, restored into an empty place, is the same row by row and byte by byte', async () => {
  const directory = await folder()
  const backup = await made(directory)
  assert.equal((await stat(backup)).mode & 0o777, 0o700)
  const { db, dataDirectory, code, complained, report } = await restored(backup)
  assert.equal(code, 0, complained)
  const [before, after] = [await rowsOf(app.db), await rowsOf(db)]
  assert.deepEqual(Object.keys(after), Object.keys(before))
  for (const [table, rows] of Object.entries(before)) assert.deepEqual(after[table], rows, table)
  assert.ok(before.pictures!.length === 3 && before.chat_messages!.length > 5, 'there was something to compare')
  assert.deepEqual(await filesOf(dataDirectory), await filesOf(app.config.dataDirectory))
  assert.deepEqual(report.parked, { pictures: 2, answers: 5, news: before.news!.length })
  const number = 'select pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass) as last'
  const Last = z.object({ last: z.number() })
  assert.deepEqual(
    await db.one(Last, number, ['chat_messages', 'number']),
    await app.db.one(Last, number, ['chat_messages', 'number']),
  )
})

test('what was open comes back parked: it says so, goes on only when released, and what was sent is never sent again', async () => {
  const { db, dataDirectory, environment: there, report } = await restored(await made(await folder()))
  assert.equal(report.parked.pictures, 2)
  const { running, browser } = await app.another({ role: 'all', databaseUrl: db.url, dataDirectory })
  const again = await signedIn(app, person.email, browser())
  assert.ok((await again.get(`/images/${open.queued}`)).text.includes(t('images.parked')))
  assert.ok((await again.get(`/images/${open.called}`)).text.includes(t('images.parked')))
  assert.ok((await again.get(`/chat/${open.asked}`)).text.includes(t('images.parked')))
  // Others, and what this person asks for now, are not kept waiting.
  const fresh = await ask(again, 'asked for after the restore')
  assert.equal((await jobEnd(db, fresh)).state, 'done')
  const later = await say(again, 'said after the restore')
  await replyIn(db, later, 'done')
  const calls = () => [
    ...['a picture under way', 'a picture that waits'].map(prompt => app.mock.control.calls({ prompt }).length),
    ...['an answer under way', 'an answer that waits'].map(prompt => answerCalls(app.mock, { prompt }).length),
  ]
  assert.deepEqual(calls(), [1, 0, 4, 0])

  const looked = await runScript('parked', ['--json'], there)
  assert.deepEqual(looked.report, { ...report.parked, did: null })
  assert.equal((await runScript('parked', ['--release', '--dry-run'], there)).code, 0)
  assert.equal((await jobRow(db, open.queued)).state, 'queued')
  assert.equal((await runScript('parked', ['--release'], there)).code, 0)
  assert.equal((await jobEnd(db, open.queued)).state, 'done')
  assert.equal((await jobEnd(db, open.called)).state, 'unknown')
  await replyIn(db, open.asked, 'done')
  await replyIn(db, open.answered, 'unknown')
  assert.deepEqual(calls(), [1, 1, 4, 1])
  const empty = await runScript('parked', ['--json'], there)
  assert.deepEqual(empty.report, { pictures: 0, answers: 0, news: 0, did: null })
  await running.stop()
})

test('what the operator cancels ends as something nobody knows the cost of, and nothing is asked for', async () => {
  const { db, dataDirectory, environment: there } = await restored(await made(await folder()))
  const before = app.mock.control.calls().filter(({ path }) => path.startsWith('/v1')).length
  assert.equal((await runScript('parked', ['--cancel'], there)).code, 0)
  const { running, browser } = await app.another({ role: 'all', databaseUrl: db.url, dataDirectory })
  const waited = await jobRow(db, open.queued)
  assert.deepEqual([waited.state, waited.charged, waited.keySecret], ['cancelled', 'unknown', null])
  assert.equal((await jobEnd(db, open.called)).charged, 'unknown')
  assert.deepEqual((await replyIn(db, open.asked, 'stopped')).charged, 'unknown')
  await replyIn(db, open.answered, 'stopped')
  const again = await signedIn(app, person.email, browser())
  const page = await again.get(`/images/${open.queued}`)
  assert.ok(page.html.querySelector(`#job-${open.queued}.state-cancelled`))
  assert.equal(app.mock.control.calls().filter(({ path }) => path.startsWith('/v1')).length, before)
  await running.stop()
})

test('a backup that was killed is never taken for one, and the next clears it up', async () => {
  const directory = await folder()
  const first = await made(directory)
  const { child, ended } = await app.db.transaction(async tx => {
    await tx.run('lock table pictures in access exclusive mode')
    const script = startScript('backup', [directory], environment)
    await until('the backup to wait for the pictures', () =>
      app.db.maybeOne(
        z.unknown(),
        `select 1 from pg_stat_activity where application_name = 'backup'
        and datname = current_database() and wait_event_type = 'Lock'`,
      ),
    )
    const second = await runScript('backup', [directory], environment)
    assert.equal(second.code, 1)
    assert.match(second.complained, /another backup of this database is being made/)
    script.child.kill('SIGKILL')
    return script
  })
  await ended
  assert.equal(child.signalCode, 'SIGKILL')
  const left = (await readdir(directory)).find(name => name.startsWith('.partial-'))!
  const refused = await restored(path.join(directory, left))
  assert.equal(refused.code, 1)
  assert.match(refused.complained, /is no finished backup/)
  assert.deepEqual(await listBackups(directory), [first])
  await until('the server to notice', async () => {
    const { rows } = await app.db.pool.query(
      `select 1 from pg_stat_activity where application_name = 'backup' and datname = current_database()`,
    )
    return rows.length === 0
  })
  const next = await made(directory)
  assert.deepEqual(
    (await readdir(directory)).sort(),
    [first, next].map(each => path.basename(each)),
  )
})

test('the newest are kept, share what has not changed, and each can be restored alone', async () => {
  const directory = await folder()
  const first = await made(directory)
  const second = await made(directory)
  const token = (await readdir(path.join(first, 'assets'), { recursive: true })).find(name => name.endsWith('.thumb'))!
  assert.equal(
    (await stat(path.join(first, 'assets', token))).ino,
    (await stat(path.join(second, 'assets', token))).ino,
  )
  const dry = await runScript('backup', [directory, '--keep', '1', '--dry-run', '--json'], environment)
  assert.deepEqual(dry.report.gone, [first, second])
  const third = await runScript('backup', [directory, '--keep', '1', '--json'], environment)
  assert.deepEqual(
    third.report.removed,
    [first, second].map(each => path.basename(each)),
  )
  assert.deepEqual(await listBackups(directory), [third.report.folder])
  const { code, dataDirectory } = await restored(third.report.folder)
  assert.equal(code, 0)
  assert.deepEqual(await filesOf(dataDirectory), await filesOf(app.config.dataDirectory))
})

test('where nothing can be written there is no backup, and it says why', async () => {
  const directory = await folder()
  await writeFile(path.join(directory, 'file'), '')
  const nowhere = await runScript('backup', [path.join(directory, 'file/below')], environment)
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.complained, /ENOTDIR/)
  const inside = await runScript('backup', [path.join(app.config.dataDirectory, 'backups')], environment)
  assert.match(inside.complained, /must lie outside PLAYGROUND_DATA_DIR/)
  assert.equal((await runScript('backup', [], environment)).code, 2)
  assert.equal((await runScript('backup', [directory, '--keep', '0'], environment)).code, 2)

  // A disk that is full looks like this to whoever writes a file to it.
  const small = await folder()
  const full = await runLimited(small)
  assert.equal(full.code, 1, full.complained)
  assert.match(full.complained, /EFBIG/)
  assert.deepEqual(await readdir(small), [])
})

test('a backup that was tampered with is refused before anything is touched', async () => {
  const changes: [RegExp, (backup: string) => Promise<void>][] = [
    [
      /database\/pictures\.copy\.gz has been changed/,
      async backup => flip(path.join(backup, 'database/pictures.copy.gz')),
    ],
    [/assets\/.* is missing/, async backup => rm(path.join(backup, 'assets', await anAsset(backup)))],
    [
      /manifest\.json of the backup is missing or has been changed/,
      async backup => flip(path.join(backup, 'manifest.json')),
    ],
    [/names 1 files instead of/, backup => keepLines(backup, line => line.endsWith('manifest.json'))],
    [/has a line that is not one/, backup => addLine(backup, `${'0'.repeat(64)}  assets/../../etc/passwd`)],
    [/is no finished backup/, backup => rm(path.join(backup, 'SHA256SUMS'))],
  ]
  for (const [reason, change] of changes) {
    const backup = await made(await folder())
    await change(backup)
    const { db, dataDirectory, code, complained } = await restored(backup)
    assert.equal(code, 1, String(reason))
    assert.match(complained, reason)
    assert.deepEqual(
      (await readdir(dataDirectory)).filter(name => name !== 'session-secret'),
      [],
    )
    assert.deepEqual(Object.keys(await rowsOf(db)), [], 'a table was made')
  }
})

test('a restore refuses a running app, rows that are there, and other files in the way', async () => {
  const backup = await made(await folder())
  const running = await runScript('restore', [backup], environment)
  assert.match(running.complained, /the app is running on this database/)
  const there = await restored(backup)
  const twice = await runScript('restore', [backup], there.environment)
  assert.equal(twice.code, 1)
  assert.match(twice.complained, /has rows already/)
  await flip(path.join(there.dataDirectory, 'assets', await anAsset(backup)))
  const other = { ...there.environment, DATABASE_URL: (await emptyDatabase()).url }
  assert.match((await runScript('restore', [backup], other)).complained, /is another file than that of the backup/)
  const missing = await runScript('restore', [path.join(backup, 'nowhere'), '--json'], there.environment)
  assert.equal(missing.code, 1)
  assert.match(missing.report.error, /is no finished backup/)
})

test('a dry run restores nothing, and another secret is said', async () => {
  const backup = await made(await folder())
  const db = await emptyDatabase()
  const dataDirectory = await folder()
  const other = {
    ...environment,
    DATABASE_URL: db.url,
    PLAYGROUND_DATA_DIR: dataDirectory,
    SESSION_SECRET: 'x'.repeat(40),
  }
  const dry = await runScript('restore', [backup, '--dry-run'], other)
  assert.equal(dry.code, 0, dry.complained)
  assert.match(dry.said, /whole, would restore/)
  assert.match(dry.said, /SESSION_SECRET is another than when the backup was made/)
  assert.deepEqual(await readdir(dataDirectory), [])
  assert.deepEqual(Object.keys(await rowsOf(db)), [])
})

async function anAsset(backup: string): Promise<string> {
  const names = await readdir(path.join(backup, 'assets'), { recursive: true })
  return names.find(name => name.endsWith('.thumb'))!
}

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(file, bytes)
}

async function keepLines(backup: string, keep: (line: string) => boolean): Promise<void> {
  const file = path.join(backup, 'SHA256SUMS')
  const lines = (await readFile(file, 'utf8')).split('\n')
  await writeFile(file, `${lines.filter(keep).join('\n')}\n`)
}

async function addLine(backup: string, line: string): Promise<void> {
  const file = path.join(backup, 'SHA256SUMS')
  await writeFile(file, `${await readFile(file, 'utf8')}${line}\n`)
}

/** With a limit on the size of files, in blocks of 512 bytes or 1 KiB: less than a picture. */
async function runLimited(directory: string): Promise<Ended> {
  // Node would write its cache under the same limit.
  const without = { ...environment, NODE_COMPILE_CACHE: '', NODE_DISABLE_COMPILE_CACHE: '1' }
  return startScript('backup', [directory], without, ['/bin/sh', '-c', 'ulimit -f 4; exec "$@"', 'sh']).ended
}

/** An empty bucket, how scripts are told of it, and what is in it. */
async function bucket() {
  const directory = await folder()
  const { config, stop } = await startBucket(directory, { isListed: true })
  atEnd(stop)
  const storage = openStorage({ localDirectory: directory, s3: config, keepLocal: false })
  const settings = {
    R2_ENDPOINT: config.endpoint,
    R2_BUCKET: config.bucket,
    R2_ACCESS_KEY_ID: config.accessKeyId,
    R2_SECRET_ACCESS_KEY: config.secretAccessKey,
  }
  const objects = async () => {
    const found = new Map<string, string>()
    for await (const { name } of storage.list()) found.set(name, (await storage.read(name))!.toString('hex'))
    return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  return { storage, settings, objects }
}

test('what lies in a bucket is in the backup, and comes back into an empty bucket, or onto a disk, byte by byte', async () => {
  const from = await bucket()
  assert.equal((await runScript('migrate-r2', [], { ...environment, ...from.settings })).code, 0)
  const there = await from.objects()
  const directory = await folder()
  const empty = await folder()
  const settings = { ...environment, PLAYGROUND_DATA_DIR: empty, ...from.settings }
  const first = await runScript('backup', [directory, '--json'], settings)
  assert.deepEqual([first.code, first.report.files, first.report.place], [0, there.size, 'here'], first.complained)
  const second = await runScript('backup', [directory, '--json'], settings)
  const picture = [...there.keys()].find(name => name.endsWith('.thumb'))!
  const inodes = [first, second].map(async ({ report }) => {
    const { ino } = await stat(path.join(report.folder, 'assets', picture.slice(0, 2), picture))
    return ino
  })
  assert.equal(new Set(await Promise.all(inodes)).size, 1, 'what has not changed is shared')

  const to = await bucket()
  const inBucket = await restored(second.report.folder, to.settings)
  assert.equal(inBucket.code, 0, inBucket.complained)
  assert.deepEqual(await to.objects(), there)
  assert.equal((await to.storage.head(picture))?.contentType, 'image/webp')
  assert.equal((await to.storage.head(picture.replace('.thumb', '')))?.contentType, 'image/png')
  assert.deepEqual(await rowsOf(inBucket.db), await rowsOf(app.db))

  const onDisk = await restored(second.report.folder)
  assert.equal(onDisk.code, 0, onDisk.complained)
  assert.deepEqual(await filesOf(onDisk.dataDirectory), await filesOf(app.config.dataDirectory))

  const taken = await bucket()
  await taken.storage.put(picture, Buffer.from('of somebody else'), { contentType: 'image/webp' })
  const refused = await restored(second.report.folder, taken.settings)
  assert.deepEqual([refused.code, (await taken.objects()).size], [1, 1])
  assert.match(refused.report.error, /the bucket has another .*\.thumb than the backup/)
})

test('with --list-only a backup has the names, lengths and hashes of what lies in a bucket, and a restore says what is missing there', async () => {
  const from = await bucket()
  assert.equal((await runScript('migrate-r2', [], { ...environment, ...from.settings })).code, 0)
  const settings = { ...environment, PLAYGROUND_DATA_DIR: await folder(), ...from.settings }
  const made = await runScript('backup', [await folder(), '--list-only', '--json'], settings)
  assert.equal(made.code, 0, made.complained)
  const there = await from.objects()
  const lines = (await readFile(path.join(made.report.folder, 'objects.txt'), 'utf8')).trim().split('\n')
  assert.equal(lines.length, there.size)
  const pictures = lines.filter(line => /^\d+ [0-9a-f]{64} [\w-]{32}$/.test(line))
  assert.equal(pictures.length, 3)

  const whole = await restored(made.report.folder, from.settings)
  assert.equal(whole.code, 0, whole.complained)
  assert.match(whole.report.notes.join(), new RegExp(`all ${there.size} objects are in the bucket`))
  const [lost] = [...there.keys()]
  await from.storage.delete(lost!)
  const lacking = await restored(made.report.folder, from.settings)
  assert.equal(lacking.code, 0, lacking.complained)
  assert.match(lacking.report.notes.join(), new RegExp(`1 of ${there.size} objects are missing.*${lost}`))
  const none = await restored(made.report.folder)
  assert.match(none.report.notes.join(), /R2_\* name no bucket/)
})
