import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { atEnd } from './testing/database.ts'
import { testApp, until } from './testing/server.ts'

const caddy = ['/usr/bin/caddy', '/usr/local/bin/caddy', '/opt/homebrew/bin/caddy'].find(existsSync)
const skip = caddy ? false : 'caddy is not on this machine, and need not be'

test('Caddy as it is documented passes pages on, keeps the numbers to itself, and logs neither queries nor names of pictures', {
  skip,
}, async () => {
  const app = await testApp({ role: 'web' })
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-caddy-'))
  atEnd(() => rm(directory, { recursive: true, force: true }))
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const site = `http://127.0.0.1:${(free.address() as AddressInfo).port}`
  free.close()
  const file = path.join(import.meta.dirname, '../deploy/Caddyfile')
  const env = {
    HOME: directory,
    XDG_DATA_HOME: directory,
    XDG_CONFIG_HOME: directory,
    PLAYGROUND_ADDRESS: site,
    PLAYGROUND_BACKEND: new URL(app.url).host,
  }
  const valid = spawnSync(caddy!, ['validate', '--adapter', 'caddyfile', '--config', file], { env, encoding: 'utf8' })
  assert.equal(valid.status, 0, valid.stderr)
  const child = spawn(caddy!, ['run', '--adapter', 'caddyfile', '--config', file], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', chunk => {
    log += chunk
  })
  atEnd(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const ask = (address: string, headers = {}) => fetch(`${site}${address}`, { redirect: 'manual', headers })
  await until('caddy to pass on', () =>
    ask('/health').then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  const [token, picture] = ['planted-'.padEnd(40, 't'), 'p1ctur3-'.padEnd(32, 'n')]
  assert.equal((await ask('/metrics')).status, 404)
  assert.equal((await ask(`/images?token=${token}`, { Referer: `${site}/?token=${token}` })).status, 303)
  await ask(`/files/${picture}/thumb?a=${token}`)
  await ask(`/files/${picture}`)
  await until(
    'the lines',
    async () => log.includes('"uri":"/files/p1ctur/thumb"') && log.includes('"uri":"/files/p1ctur"'),
  )
  assert.match(log, /"uri":"\/images"/)
  assert.doesNotMatch(log, /planted|p1ctur3-n/)
})
