import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { openDatabase } from '../db/db.ts'
import { temporaryDirectory } from '../testing/setup.ts'
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts'

const root = await temporaryDirectory()
await chmod(root, 0o755)
const asRoot = process.getuid?.() === 0
const running = new Set<EmbeddedPostgres>()
const processes = new Set<ChildProcess>()

after(async () => {
  for (const child of processes) child.kill('SIGKILL')
  for (const server of running) await server.stop()
  await rm(root, { recursive: true })
})

test('a server keeps its rows from one start to the next, with words and times that do not depend on the machine', async () => {
  const directory = path.join(root, 'first')
  const cold = await start({ directory })
  assert.equal(cold.adopted, false)
  await query(cold.url, 'create table t (n int); insert into t values (41)')
  assert.deepEqual(
    await query(
      cold.url,
      `select current_setting('timezone') as tz, lower('ÄÖ') as lower, datlocprovider as p from pg_database where datname = 'postgres'`,
    ),
    [{ tz: 'UTC', lower: 'äö', p: 'b' }],
  )
  await cold.stop()
  await assert.rejects(query(cold.url, 'select 1'))
  const warm = await start({ directory })
  assert.deepEqual([warm.adopted, warm.url, await rows(warm.url)], [false, cold.url, [41]])
  await warm.stop()
  await warm.stop()
})

test('only the account that runs the server can reach its files and its socket', async () => {
  const directory = path.join(root, 'private')
  const server = await start({ directory })
  for (const name of ['', 'data', '.s.PGSQL.5432']) {
    assert.equal((await stat(path.join(directory, name))).mode & 0o077, 0, name || 'the directory')
  }
  const addresses = await query(server.url, `select current_setting('listen_addresses') as a`)
  assert.deepEqual(addresses, [{ a: '' }])
  await server.stop()
})

test('a server whose application was killed is adopted, and stopped by who adopted it', async () => {
  const directory = path.join(root, 'orphan')
  const first = await startInProcess({ directory })
  await query(first.url, 'create table t (n int); insert into t values (1)')
  const pid = await postmasterPid(directory)
  await first.kill()

  const second = await start({ directory })
  assert.deepEqual([second.adopted, await postmasterPid(directory), await rows(second.url)], [true, pid, [1]])
  await second.stop()
  await assert.rejects(access(path.join(directory, 'data/postmaster.pid')))
})

test('a server that was killed with its application starts again with every committed row', async () => {
  const directory = path.join(root, 'crash')
  const first = await startInProcess({ directory })
  await query(first.url, 'create table t (n int); insert into t values (1), (2)')
  await first.kill()
  process.kill(await postmasterPid(directory), 'SIGKILL')

  const second = await start({ directory })
  assert.deepEqual([second.adopted, await rows(second.url)], [false, [1, 2]])
  await second.stop()
})

test('a server that dies under its application is started again at the same address', async () => {
  const directory = path.join(root, 'revival')
  const server = await start({ directory })
  await query(server.url, 'create table t (n int); insert into t values (7)')
  const pid = await postmasterPid(directory)
  process.kill(pid, 'SIGKILL')
  await until(() => rows(server.url).then(found => found[0] === 7))
  assert.notEqual(await postmasterPid(directory), pid)
  await server.stop()
  await assert.rejects(query(server.url, 'select 1'))
})

test('a pid file left by a crash does not stop the start when its pid is now a stranger of the same account', async () => {
  const directory = path.join(root, 'stranger')
  await (await start({ directory })).stop()
  const { uid, gid } = await stat(path.join(directory, 'data'))
  const stranger = spawn('sleep', ['600'], asRoot ? { uid, gid } : {})
  processes.add(stranger)
  await writeFile(
    path.join(directory, 'data/postmaster.pid'),
    `${stranger.pid}\n${directory}/data\n1\n5432\n${directory}\n\n0 0\nready\n`,
  )
  const server = await start({ directory })
  assert.equal(server.adopted, false)
  await server.stop()
  assert.equal(stranger.exitCode ?? stranger.signalCode, null, 'the stranger was hurt')
})

test('two processes that start at once share one server, and the last to stop stops it', async () => {
  const directory = path.join(root, 'shared')
  const [a, b] = await Promise.all([startInProcess({ directory }), startInProcess({ directory })])
  assert.notEqual(a.adopted, b.adopted)
  assert.equal(a.url, b.url)
  assert.deepEqual((await readdir(directory)).sort(), ['.s.PGSQL.5432', '.s.PGSQL.5432.lock', 'data', 'postgres.log'])

  const [starter, adopter] = a.adopted ? [b, a] : [a, b]
  await starter.stop()
  assert.deepEqual(await query(adopter.url, 'select 1 as one'), [{ one: 1 }])
  await adopter.stop()
  await assert.rejects(query(adopter.url, 'select 1'))
})

test('spaces, quotes, commas and very long names in the path are fine', async () => {
  for (const name of ['a "quoted", place', `${'long'.repeat(30)}/${'path'.repeat(30)}`]) {
    const server = await start({ directory: path.join(root, name) })
    assert.deepEqual(await query(server.url, 'select 1 as one'), [{ one: 1 }])
    const socketDirectory = new URL(server.url).searchParams.get('host')!
    await server.stop()
    if (!socketDirectory.startsWith(root)) await rm(socketDirectory, { recursive: true })
  }
})

// Not skipped for others: a skipped test is a failure of the build.
if (asRoot) {
  test('root can keep the data where no other account may go', async () => {
    const home = path.join(root, 'home')
    await mkdir(home, { mode: 0o700 })
    const directory = path.join(home, 'data')
    for (const expected of [[], [5]]) {
      const server = await start({ directory })
      await query(server.url, 'create table if not exists t (n int)')
      assert.deepEqual(await rows(server.url), expected)
      await query(server.url, `insert into t values (5); select pg_reload_conf(); checkpoint`)
      await server.stop()
    }
    const orphan = await startInProcess({ directory })
    await orphan.kill()
    const server = await start({ directory })
    assert.equal(server.adopted, true)
    const socketDirectory = new URL(server.url).searchParams.get('host')!
    await server.stop()
    await rm(socketDirectory, { recursive: true })
  })
}

test('a throwaway server takes its directory with it, also when its application is killed', async () => {
  const directory = path.join(root, 'throwaway')
  const server = await start({ directory, throwaway: true })
  assert.deepEqual(await query(server.url, `select current_setting('fsync') as f`), [{ f: 'off' }])
  await server.stop()
  await assert.rejects(access(directory))

  const doomed = await startInProcess({ directory, throwaway: true })
  const pid = await postmasterPid(directory)
  await doomed.kill()
  await until(() =>
    access(directory).then(
      () => false,
      () => true,
    ),
  )
  await until(async () => !isRunning(pid))
})

test('a server that cannot start says why', async () => {
  const directory = path.join(root, 'broken')
  await (await start({ directory })).stop()
  await writeFile(path.join(directory, 'data/postgresql.conf'), 'no_such_setting = on\n')
  await assert.rejects(startEmbeddedPostgres({ directory }), /Postgres did not start: .*no_such_setting/s)
})

async function start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(options)
  running.add(server)
  return server
}

/** Another application, which can be killed. */
async function startInProcess(options: EmbeddedOptions) {
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(import.meta.resolve('./embedded.ts'))})
    const server = await startEmbeddedPostgres(${JSON.stringify(options)})
    console.log(JSON.stringify(server))
    process.stdin.once('data', async () => { await server.stop(); process.exit() })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  processes.add(child)
  const exited = once(child, 'exit')
  const failed = exited.then(([code]) => Promise.reject(new Error(`the application ended with ${code}`)))
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), failed])) as [string]
  const { url, adopted } = JSON.parse(line) as { url: string; adopted: boolean }
  return {
    url,
    adopted,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.stdin.write('stop\n')
      await exited
    },
  }
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const db = openDatabase({ url, max: 1 })
  try {
    return await db.many(z.unknown(), sql)
  } finally {
    await db.close()
  }
}

async function rows(url: string): Promise<unknown[]> {
  return (await query(url, 'select n from t order by n')).map(row => (row as { n: number }).n)
}

async function postmasterPid(directory: string): Promise<number> {
  return Number((await readFile(path.join(directory, 'data/postmaster.pid'), 'utf8')).split('\n')[0])
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition().catch(() => false))) await delay(20)
}
