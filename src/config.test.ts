import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { ConfigError, loadConfig, variables } from './config.ts'

const directory = mkdtempSync(path.join(tmpdir(), 'playground-config-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const minimum = { SUB2API_UPSTREAM: 'http://127.0.0.1:8080', PLAYGROUND_DATA_DIR: directory }
const secret = 's'.repeat(32)

function problemsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('the address of the gateway is all that must be given', () => {
  const config = loadConfig(minimum)
  assert.deepEqual(
    [config.role, config.port, config.databaseUrl, config.s3, config.publicOrigin, config.trustedProxies],
    ['all', 8081, null, null, null, 0],
  )
  assert.ok(Object.isFrozen(config))
  assert.match(problemsOf({})[0]!, /^SUB2API_UPSTREAM is missing: the address of your sub2api gateway/)
})

const mistakes: Record<string, string> = {
  SUB2API_UPSTREAM: 'gateway:8080',
  PLAYGROUND_ROLE: 'everything',
  PORT: '8081x',
  PLAYGROUND_PUBLIC_ORIGIN: 'https://play.example.com/path',
  PLAYGROUND_TRUST_PROXY: 'yes',
  SUB2API_PROXY: 'on',
  DATABASE_URL: 'mysql://somewhere',
  PLAYGROUND_DATABASE_CONNECTIONS: '1',
  PLAYGROUND_SPILL_MB: '0',
  SESSION_SECRET: 'too short',
  R2_ENDPOINT: 'r2.example.com',
  PLAYGROUND_IMAGE_CDN_BASE: '/cdn',
  PLAYGROUND_KEEP_LOCAL_ASSETS: 'maybe',
  PLAYGROUND_PUBLIC_ASSETS: 'yes',
  PLAYGROUND_RUNNING_PER_USER: '0',
  PLAYGROUND_QUEUED_PER_USER: '-1',
  PLAYGROUND_RUNNING_TOTAL: '1e3',
  PLAYGROUND_WORKER_CONCURRENCY: '99999',
  PLAYGROUND_SIGN_INS_PER_MINUTE: '2.5',
  PLAYGROUND_PARTIAL_IMAGES: '4',
  PLAYGROUND_PARTIAL_IMAGES_EDITS: '4',
  PLAYGROUND_SHUTDOWN_SECONDS: 'soon',
  PLAYGROUND_METRICS_NETWORKS: '10.0.0.0/33',
  PLAYGROUND_METRICS_TOKEN: 'short',
  LOG_LEVEL: 'loud',
}
const rest = {
  SESSION_SECRET: secret,
  R2_ENDPOINT: 'https://r2.example.com',
  R2_BUCKET: 'b',
  R2_ACCESS_KEY_ID: 'i',
  R2_SECRET_ACCESS_KEY: 'k',
}

for (const [name, value] of Object.entries(mistakes)) {
  test(`a wrong ${name} is one sentence that names it`, () => {
    const problems = problemsOf({ ...minimum, ...rest, [name]: value })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0]!, new RegExp(`^${name} must `))
    assert.doesNotMatch(problems[0]!, /undefined|NaN|Invalid/)
  })
}

test('all mistakes are told at once, and no value with them', () => {
  const problems = problemsOf({ ...minimum, ...mistakes, SESSION_SECRET: 'hunter2', R2_SECRET_ACCESS_KEY: 'hunter3' })
  for (const name of Object.keys(mistakes))
    assert.ok(
      problems.some(problem => problem.startsWith(name)),
      name,
    )
  assert.doesNotMatch(problems.join('\n'), /hunter/)
})

test('an empty variable counts as absent', () => {
  const empty = Object.fromEntries(Object.keys({ ...mistakes, ...rest }).map(name => [name, '  ']))
  assert.deepEqual(loadConfig({ ...empty, ...minimum }), loadConfig(minimum))
})

test('R2 is configured whole or not at all', () => {
  const { R2_BUCKET: _, ...half } = rest
  assert.deepEqual(problemsOf({ ...minimum, ...half }), ['R2_* must be given all or not at all: R2_BUCKET is missing'])
  assert.deepEqual(problemsOf({ ...minimum, R2_BUCKET: 'b', R2_ENDPOINT: 'https://r2.example.com' }), [
    'R2_* must be given all or not at all: R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY are missing',
  ])
  assert.deepEqual(loadConfig({ ...minimum, ...rest, PLAYGROUND_IMAGE_CDN_BASE: 'https://cdn.example.com/a/b/' }).s3, {
    endpoint: 'https://r2.example.com',
    region: 'auto',
    bucket: 'b',
    accessKeyId: 'i',
    secretAccessKey: 'k',
    isPublic: false,
    prefix: 'a/b',
  })
})

test('a public address of the bucket is a path as people write it, and public only where pictures are', () => {
  const base = 'https://cdn.example.com/my%20pictures/m%C3%A9t%C3%A9o'
  const s3 = (more: NodeJS.ProcessEnv) => loadConfig({ ...minimum, ...rest, ...more }).s3!
  assert.equal(s3({ PLAYGROUND_IMAGE_CDN_BASE: base }).prefix, 'my pictures/météo')
  assert.equal(s3({ PLAYGROUND_IMAGE_CDN_BASE: 'https://cdn.example.com/图片/' }).prefix, '图片')
  assert.equal(s3({ PLAYGROUND_IMAGE_CDN_BASE: base }).isPublic, false)
  assert.equal(s3({ PLAYGROUND_PUBLIC_ASSETS: 'true' }).isPublic, false)
  assert.equal(s3({ PLAYGROUND_IMAGE_CDN_BASE: base, PLAYGROUND_PUBLIC_ASSETS: 'true' }).isPublic, true)
  const broken = problemsOf({ ...minimum, ...rest, PLAYGROUND_IMAGE_CDN_BASE: 'https://cdn.example.com/50%' })
  assert.deepEqual(broken, ['PLAYGROUND_IMAGE_CDN_BASE must have a path whose % signs begin UTF-8 escapes'])
})

test('an endpoint that names the bucket is refused: objects would lie under the bucket in the bucket', () => {
  const problem = 'R2_ENDPOINT must not name the bucket, which R2_BUCKET does: objects would lie under it once more'
  const named = (R2_ENDPOINT: string) => problemsOf({ ...minimum, ...rest, R2_BUCKET: 'pics', R2_ENDPOINT })
  for (const endpoint of [
    'https://account.r2.cloudflarestorage.com/pics',
    'https://minio.example.com/pics/',
    'https://pics.account.r2.cloudflarestorage.com',
    'https://pics.s3.amazonaws.com',
    'https://pics.s3.eu-central-1.amazonaws.com',
  ]) {
    assert.deepEqual(named(endpoint), [problem], endpoint)
  }
  for (const endpoint of ['https://pics.example.com', 'https://s3.example.com/storage/v1/s3', 'http://pics:9000']) {
    assert.deepEqual(named(endpoint), [], endpoint)
  }
})

test('every variable has its effect through docker-compose.yml, and its row in both tables', () => {
  const root = path.join(import.meta.dirname, '..')
  const read = (file: string) => readFileSync(path.join(root, file), 'utf8')
  for (const file of ['README.md', 'README_CN.md']) {
    const missing = variables().filter(name => !new RegExp(`^\\|.*\`${name}\`.*\\|.*\\|`, 'm').test(read(file)))
    assert.deepEqual(missing, [], file)
  }
  const compose = read('docker-compose.yml').replaceAll(/^\s*#.*$/gm, '')
  assert.deepEqual(
    variables().filter(name => !compose.includes(`\${${name}:`)),
    [],
  )
})

test('a secret of its own is only for a process that shares its data with nobody', () => {
  const DATABASE_URL = 'postgres://db/app'
  for (const shared of [{ DATABASE_URL }, { PLAYGROUND_ROLE: 'web' }, { PLAYGROUND_ROLE: 'worker' }]) {
    const problems = problemsOf({ ...minimum, ...shared })
    assert.equal(problems.length, 1)
    assert.match(problems[0]!, /^SESSION_SECRET is missing: /)
    assert.deepEqual(problemsOf({ ...minimum, ...shared, SESSION_SECRET: secret }), [])
  }
})

test('a made-up secret is kept where only its owner reads it, and stays the same', () => {
  const fresh = { ...minimum, PLAYGROUND_DATA_DIR: path.join(directory, 'new/deeper') }
  const { sessionSecrets } = loadConfig(fresh)
  const file = path.join(fresh.PLAYGROUND_DATA_DIR, 'session-secret')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.match(sessionSecrets[0]!, /^[0-9a-f]{64}$/)
  assert.equal(readFileSync(file, 'utf8').trim(), sessionSecrets[0])
  assert.deepEqual(loadConfig(fresh).sessionSecrets, sessionSecrets)
  assert.deepEqual(readdirSync(fresh.PLAYGROUND_DATA_DIR), ['session-secret'], 'nothing else is left')
  assert.notDeepEqual(loadConfig(minimum).sessionSecrets, sessionSecrets)
})

test('several secrets are a rotation, newest first', () => {
  const config = loadConfig({ ...minimum, SESSION_SECRET: `${'n'.repeat(32)}, ${secret}` })
  assert.deepEqual(config.sessionSecrets, ['n'.repeat(32), secret])
  const problems = problemsOf({ ...minimum, SESSION_SECRET: `${'n'.repeat(32)},short` })
  assert.deepEqual(problems, ['SESSION_SECRET must have at least 32 characters, in every part'])
})

test('slashes at the end of addresses do not matter', () => {
  const config = loadConfig({
    ...minimum,
    SUB2API_UPSTREAM: 'https://gate.example.com/api/',
    PLAYGROUND_PUBLIC_ORIGIN: 'https://play.example.com/',
  })
  assert.equal(config.upstream, 'https://gate.example.com/api')
  assert.equal(config.publicOrigin, 'https://play.example.com')
})
