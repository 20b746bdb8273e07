import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startMockGateway } from './mock/server.ts'
import { openBrowser } from './testing/browser.ts'
import { atEnd } from './testing/database.ts'
import { until } from './testing/server.ts'

const mock = await startMockGateway()
atEnd(() => mock.close())
const directory = await mkdtemp(path.join(tmpdir(), 'playground-start-'))
const pidFile = path.join(directory, 'postgres/data/postmaster.pid')
atEnd(async () => {
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGQUIT')
  await rm(directory, { recursive: true, force: true, maxRetries: 10 })
})

/** As an operator starts it: one variable, and for the test a place and a port of its own. */
async function npmStart() {
  const npm = spawn('npm', ['start'], {
    cwd: path.join(import.meta.dirname, '..'),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      SUB2API_UPSTREAM: mock.url,
      HOST: '127.0.0.1',
      PORT: '0',
      PLAYGROUND_DATA_DIR: directory,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A process group of its own: npm and all that it started can be killed at one blow.
    detached: true,
  })
  const ended = once(npm, 'exit')
  const kill = async () => {
    try {
      process.kill(-npm.pid!, 'SIGKILL')
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH', 'nobody left')
    }
    await ended
  }
  atEnd(kill)
  let adopted: unknown
  for await (const line of createInterface(npm.stdout)) {
    if (!line.startsWith('{')) continue
    const entry = JSON.parse(line) as { msg: string; url?: string; adopted?: boolean }
    adopted ??= entry.adopted
    if (entry.msg !== 'ready') continue
    npm.stdout.resume()
    return { npm, ended, kill, url: entry.url!, adopted }
  }
  throw new Error('npm start ended before it was ready')
}

test('npm start needs the gateway’s address alone, survives its own violent end, and hears SIGTERM', async () => {
  const first = await npmStart()
  assert.equal(first.adopted, false)
  assert.equal(statSync(path.join(directory, 'session-secret')).mode & 0o777, 0o600)
  const person = openBrowser(first.url, () => {})
  const form = { email: 'operator@example.com', password: 'password of the operator' }
  assert.equal((await person.post('/login', form)).status, 303)
  const headers = { Cookie: `sid=${person.cookie('sid')}` }

  await first.kill()
  assert.ok(existsSync(pidFile), 'its Postgres goes on')
  const second = await npmStart()
  assert.equal(second.adopted, true)
  assert.equal((await openBrowser(second.url, () => {}).get('/account', { headers })).status, 200, 'still signed in')

  second.npm.kill('SIGTERM')
  assert.deepEqual(await second.ended, [0, null])
  await until('the end of Postgres', async () => !existsSync(pidFile))
})

test('dev:mock says at once that it starts, words a mistake in a sentence, and leaves nothing behind', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const takenPort = String((taken.address() as AddressInfo).port)
  const mistakes: [NodeJS.ProcessEnv, RegExp, number][] = [
    [
      { PLAYGROUND_PARTIAL_IMAGES: '9' },
      /^The configuration has a mistake:\n- PLAYGROUND_PARTIAL_IMAGES must be .*\n$/,
      78,
    ],
    [{ MOCK_PORT: takenPort }, /^The mock gateway could not start, see MOCK_PORT: .*EADDRINUSE.*\n$/, 1],
    [{ HOST: '127.0.0.1', PORT: takenPort }, /^Port \d+ is taken: choose another with PORT\.\n$/, 1],
  ]
  for (const [environment, sentence, exitCode] of mistakes) {
    const temporary = await mkdtemp(path.join(directory, 'tmp-'))
    const child = spawn(process.execPath, [path.join(import.meta.dirname, '../scripts/dev-mock.ts')], {
      env: { PATH: process.env.PATH, TMPDIR: temporary, PORT: '0', MOCK_PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = once(child, 'exit')
    const [said, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
    assert.deepEqual(await ended, [exitCode, null])
    assert.match(said, /^\n {2}Starting /)
    assert.match(complaint, sentence)
    assert.deepEqual(await readdir(temporary), [])
  }
  taken.close()
})
