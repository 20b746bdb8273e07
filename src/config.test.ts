import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { ConfigError, inherited, loadConfig } from './config.ts'
import { variables } from './settings/variables.ts'

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
  PLAYGROUND_EMBED_ORIGIN: 'https://gateway.example.com/menu',
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
  OTEL_EXPORTER_OTLP_ENDPOINT: '127.0.0.1:4318',
  OTEL_EXPORTER_OTLP_HEADERS: 'nothing',
  PLAYGROUND_STATUS_PAGE: 'on',
  PLAYGROUND_GALLERY: 'closed',
  PLAYGROUND_GALLERY_LICENCE: 'x'.repeat(501),
  PLAYGROUND_STORAGE_PER_USER: '10GB',
  PLAYGROUND_SPEND_PER_USER_PER_DAY: '5 EUR',
  PLAYGROUND_SPEND_PER_USER_PER_MONTH: '-1',
  PLAYGROUND_SPEND_PER_DAY: 'much',
  PLAYGROUND_SPEND_PER_MONTH: '1e3',
  PLAYGROUND_IMPORT_LIMIT: 'much',
  PLAYGROUND_ENABLE_CF_IMAGE_RESIZING: '1',
  PLAYGROUND_THUMBNAIL_WIDTH: '0',
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

test("pages can be framed only where browsers keep a frame's cookie", () => {
  const framed = { ...minimum, PLAYGROUND_EMBED_ORIGIN: 'https://gateway.example.com' }
  for (const origin of [{}, { PLAYGROUND_PUBLIC_ORIGIN: 'http://play.example.com' }]) {
    assert.match(problemsOf({ ...framed, ...origin }).join(), /^PLAYGROUND_EMBED_ORIGIN needs an https:/)
  }
  const https = { PLAYGROUND_PUBLIC_ORIGIN: 'https://play.example.com' }
  const menu = { PLAYGROUND_EMBED_ORIGIN: 'https://gateway.example.com/menu' }
  assert.deepEqual(problemsOf({ ...framed, ...https, ...menu }), [
    'PLAYGROUND_EMBED_ORIGIN must be an origin without a path',
  ])
  const { embedOrigin } = loadConfig({ ...framed, ...https })
  assert.equal(embedOrigin, 'https://gateway.example.com')
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

test('every mistake that a variable can have is tried above', () => {
  const free = ['HOST', 'PLAYGROUND_DATA_DIR', 'R2_BUCKET', 'R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY', 'R2_REGION']
  const tried = [...Object.keys(mistakes), ...free]
  assert.deepEqual(
    variables().filter(({ name }) => !tried.includes(name)),
    [],
  )
})

test('every secret may lie in a file, whose last ends of line do not count', () => {
  const keep = (name: string, text: string) => {
    const file = path.join(directory, name)
    writeFileSync(file, text)
    return file
  }
  const secrets = variables().filter(variable => variable.secret)
  assert.deepEqual(
    secrets.map(({ name }) => name),
    [
      'DATABASE_URL',
      'SESSION_SECRET',
      'R2_ACCESS_KEY_ID',
      'R2_SECRET_ACCESS_KEY',
      'PLAYGROUND_METRICS_TOKEN',
      'OTEL_EXPORTER_OTLP_HEADERS',
    ],
  )
  const values: Record<string, string> = {
    DATABASE_URL: 'postgres://db/app',
    SESSION_SECRET: secret,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x',
  }
  const files = Object.fromEntries(
    secrets.map(({ name }, at) => [
      `${name}_FILE`,
      keep(name, `${values[name] ?? `${name} in a file`}${['', '\n', '\r\n'][at % 3]}`),
    ]),
  )
  const config = loadConfig({ ...minimum, R2_ENDPOINT: rest.R2_ENDPOINT, R2_BUCKET: 'b', ...files })
  assert.equal(config.databaseUrl, 'postgres://db/app')
  assert.deepEqual(config.sessionSecrets, [secret])
  assert.equal(config.s3!.accessKeyId, 'R2_ACCESS_KEY_ID in a file')
  assert.equal(config.s3!.secretAccessKey, 'R2_SECRET_ACCESS_KEY in a file')
  assert.equal(config.metrics.token, 'PLAYGROUND_METRICS_TOKEN in a file')

  for (const { name } of secrets) {
    const given = { ...minimum, R2_ENDPOINT: rest.R2_ENDPOINT, R2_BUCKET: 'b', ...files }
    assert.deepEqual(problemsOf({ ...given, [name]: values[name] ?? 'the same in the environment' }), [
      `${name} and ${name}_FILE must not both be given`,
    ])
    const away = problemsOf({ ...given, [`${name}_FILE`]: path.join(directory, 'nowhere') })
    assert.equal(away.length, 1, away.join('\n'))
    assert.match(away[0]!, new RegExp(`^${name}_FILE must name a file that can be read: ENOENT`))
    const empty = problemsOf({ ...given, [`${name}_FILE`]: keep('empty', '\n') })
    assert.equal(empty.length, 1, empty.join('\n'))
    assert.match(empty[0]!, new RegExp(`^${name}_FILE must name a file with something in it`))
  }
  const wrong = problemsOf({ ...minimum, SESSION_SECRET_FILE: keep('short', 'hunter2') })
  assert.deepEqual(wrong, ['SESSION_SECRET_FILE must have at least 32 characters, in every part'])
})

test('a process that is started from this one is told a secret once, wherever this one has it from', () => {
  process.env.SESSION_SECRET_FILE = '/run/secrets/session'
  try {
    assert.equal(inherited({ SESSION_SECRET: secret }).SESSION_SECRET_FILE, undefined)
    assert.equal(inherited({ DATABASE_URL: '' }).SESSION_SECRET_FILE, '/run/secrets/session')
  } finally {
    delete process.env.SESSION_SECRET_FILE
  }
})

test('the names of the earlier product go on working; ours win, with a warning where the two differ', () => {
  const aliases = Object.fromEntries(variables().flatMap(({ name, alias }) => (alias ? [[alias, name]] : [])))
  assert.deepEqual(aliases, { PLAYGROUND_BIND_HOST: 'HOST', PLAYGROUND_PORT: 'PORT' })
  const earlier = { ...minimum, PLAYGROUND_BIND_HOST: '127.0.0.1', PLAYGROUND_PORT: '9000' }
  const { host, port, warnings } = loadConfig(earlier)
  assert.deepEqual([host, port, warnings], ['127.0.0.1', 9000, []])
  assert.deepEqual(loadConfig({ ...earlier, HOST: '127.0.0.1', PORT: '9000' }).warnings, [])
  const both = loadConfig({ ...earlier, PORT: '8081' })
  assert.equal(both.port, 8081)
  assert.deepEqual(both.warnings, ['PLAYGROUND_PORT is ignored: PORT says something else, and wins'])
  assert.deepEqual(problemsOf({ ...minimum, PLAYGROUND_PORT: '9000x' }), ['PLAYGROUND_PORT must be a whole number'])
  const kept = {
    PLAYGROUND_IMAGE_CDN_BASE: 'https://cdn.example.com/p',
    PLAYGROUND_KEEP_LOCAL_ASSETS: 'true',
    PLAYGROUND_ENABLE_CF_IMAGE_RESIZING: 'true',
    PLAYGROUND_THUMBNAIL_WIDTH: '320',
  }
  const config = loadConfig({ ...minimum, ...rest, ...kept })
  assert.deepEqual([config.resizesAtCdn, config.thumbnailEdge, config.warnings], [true, 320, []])
  assert.equal(loadConfig(minimum).thumbnailEdge, 480)
})

test('what Kubernetes tells of a service is no port of ours', () => {
  for (const name of ['PORT', 'PLAYGROUND_PORT']) {
    const config = loadConfig({
      ...minimum,
      [name]: 'tcp://10.0.0.7:8081',
      PLAYGROUND_SERVICE_HOST: '10.0.0.7',
      PLAYGROUND_PORT_8081_TCP: 'tcp://10.0.0.7:8081',
    })
    assert.equal(config.port, 8081)
    assert.deepEqual(config.warnings, [
      `${name} is ignored: it is no port, but what Kubernetes tells of a service of that name`,
    ])
  }
})

test('proxies are believed by their number or their networks, by default none, and never all the world', () => {
  const trusted = (PLAYGROUND_TRUST_PROXY: string) => loadConfig({ ...minimum, PLAYGROUND_TRUST_PROXY }).trustedProxies
  assert.equal(trusted('none'), 0)
  assert.equal(trusted('2'), 2)
  assert.deepEqual(trusted('172.16.0.0/12, fd00::/8'), ['172.16.0.0/12', 'fd00::/8'])
  for (const wrong of ['true', '11', '1,2', '10.0.0.0/33', 'loopback', '-1', '0.0.0.0/0', '10.0.0.0/8,::/0']) {
    const problems = problemsOf({ ...minimum, PLAYGROUND_TRUST_PROXY: wrong })
    assert.equal(problems.length, 1, wrong)
    assert.match(problems[0]!, /^PLAYGROUND_TRUST_PROXY must /)
  }
})

test('what does not go together is refused, what hardly can be meant is a warning', () => {
  const cdn = { PLAYGROUND_IMAGE_CDN_BASE: 'https://cdn.example.com' }
  assert.deepEqual(problemsOf({ ...minimum, ...cdn }), [
    'PLAYGROUND_IMAGE_CDN_BASE must go with R2_*: it is the address of a bucket, and there is none',
  ])
  assert.deepEqual(problemsOf({ ...minimum, SUB2API_UPSTREAM: 'https://me:hunter2@gate.example.com' }), [
    'SUB2API_UPSTREAM must not have a user or a password in it',
  ])
  assert.match(problemsOf({ ...minimum, SESSION_SECRET: secret, DATABASE_URL: 'postgres://a:b#c@db/x' })[0]!, /%23/)
  const DATABASE_URL = 'postgres://a@db:5432/x?sslmode=disable'
  assert.equal(loadConfig({ ...minimum, SESSION_SECRET: secret, DATABASE_URL }).databaseUrl, DATABASE_URL)

  const warnings = (more: NodeJS.ProcessEnv) => loadConfig({ ...minimum, ...more }).warnings
  const https = { PLAYGROUND_PUBLIC_ORIGIN: 'https://play.example.com' }
  assert.match(warnings(https).join(), /^PLAYGROUND_TRUST_PROXY is none, but a proxy must stand in front/)
  assert.deepEqual(warnings({ ...https, PLAYGROUND_TRUST_PROXY: '1' }), [])
  assert.match(warnings({ PLAYGROUND_ENABLE_CF_IMAGE_RESIZING: 'true' }).join(), /does nothing without/)
  const web = { SESSION_SECRET: secret, PLAYGROUND_ROLE: 'web' }
  assert.match(warnings(web).join(), /must see the same PLAYGROUND_DATA_DIR/)
  assert.deepEqual(warnings({ ...rest, ...web }), [])
  assert.deepEqual(warnings({ PLAYGROUND_RUNING_TOTAL: '5' }), [
    'PLAYGROUND_RUNING_TOTAL is ignored: there is no such variable',
  ])
})

test('npm run config prints what was understood and where it came from, and no secret', async () => {
  const place = path.join(directory, 'of an operator')
  mkdirSync(place)
  writeFileSync(path.join(place, 'session'), secret)
  writeFileSync(
    path.join(place, '.env'),
    `SUB2API_UPSTREAM=https://gate.example.com/\nSESSION_SECRET=${'y'.repeat(40)}\nPLAYGROUND_STORAGE_PER_USER=1GiB\n`,
  )
  const run = (environment: NodeJS.ProcessEnv, ...options: string[]) =>
    promisify(execFile)(process.execPath, [path.join(import.meta.dirname, '../scripts/config.ts'), ...options], {
      cwd: place,
      env: { PATH: process.env.PATH, ...environment },
    }).catch((error: { code: number; stdout: string; stderr: string }) => error)

  const { stdout } = await run({
    PLAYGROUND_PORT: '9000',
    SESSION_SECRET_FILE: 'session',
    DATABASE_URL: 'postgres://me:hunter2@db:5432/play?sslmode=disable',
  })
  const lines = stdout.split('\n').map(line => line.split(/ {2,}/))
  const told = (name: string) => lines.find(line => line[0] === name)?.slice(1)
  assert.deepEqual(told('SUB2API_UPSTREAM'), ['https://gate.example.com', '.env'])
  assert.deepEqual(told('PORT'), ['9000', 'environment (PLAYGROUND_PORT)'])
  assert.deepEqual(told('SESSION_SECRET'), ['(hidden)', 'session (SESSION_SECRET_FILE)'])
  assert.deepEqual(told('DATABASE_URL'), ['postgres://(hidden)@db:5432/play', 'environment'])
  assert.deepEqual(told('PLAYGROUND_STORAGE_PER_USER'), [String(1024 ** 3), '.env'])
  assert.deepEqual(told('PLAYGROUND_IMPORT_LIMIT'), [String(4 * 1024 ** 3), 'default'])
  assert.deepEqual(told('R2_BUCKET'), ['–', 'default'])
  assert.equal(lines.filter(line => line.length > 1).length, variables().length)
  assert.deepEqual(readdirSync(place).sort(), ['.env', 'session'], 'nothing is made')

  const broken = await run({ PORT: 'x', SESSION_SECRET: 'hunter2' })
  assert.equal((broken as { code?: number }).code, 78)
  assert.match(broken.stderr, /^mistake: PORT must be a whole number$/m)
  assert.match(broken.stderr, /^mistake: SESSION_SECRET must have at least 32 characters/m)
  const json = JSON.parse((await run({ PORT: 'x' }, '--json')).stdout) as { problems: string[] }
  assert.deepEqual(json.problems, ['PORT must be a whole number'])
  assert.doesNotMatch(JSON.stringify([stdout, broken.stdout, broken.stderr, json]), /hunter2|y{8}|s{32}/)
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
