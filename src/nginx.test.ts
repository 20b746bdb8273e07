import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { openBrowser } from './testing/browser.ts'
import { openStream, replyIn, say } from './testing/conversations.ts'
import { atEnd } from './testing/database.ts'
import { ask, jobEnd } from './testing/jobs.ts'
import { signedIn } from './testing/people.ts'
import { type TestApp, testApp, until } from './testing/server.ts'

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx', '/opt/homebrew/bin/nginx'].find(existsSync)
const skip = nginx ? false : 'nginx is not on this machine, and need not be'
/** Seconds that nginx waits between two pieces of an answer, in the file and where it is to be outlasted. */
const DOCUMENTED = 75
const PATIENCE = 3
/** Of life on an event stream in that time. */
const SIGNS = 4
const longAnswer = Array.from({ length: 60 }, (_, at) => `Paragraph number ${at + 1}.`).join('\n\n')

let app: TestApp
/** The address of nginx as it is documented, and of one that is less patient. */
let site: string
let impatient: string
const accessLogs = new Map<string, string>()
if (nginx) {
  before(async () => {
    app = await testApp()
    const limits = { ...app.config.limits, signInsPerMinute: 20 }
    const streams = { ...app.config.streams, keepAliveSeconds: PATIENCE / SIGNS }
    const { running } = await app.another({ trustedProxies: 1, limits, streams })
    const { host } = new URL(running.url)
    site = await startNginx(host, DOCUMENTED)
    impatient = await startNginx(host, PATIENCE)
  })
}

test('sixteen references go through nginx as it is documented', { skip }, async () => {
  const person = await personOf('alice', site)
  const files: [string, Buffer][] = []
  for (let number = 0; number < 16; number++) files.push([`${number}.png`, await noise()])
  assert.ok(files.reduce((sum, [, bytes]) => sum + bytes.length, 0) > 16 * 1024 ** 2)
  const answer = await person.upload('/images/references', files, {}, { htmx: true })
  assert.equal(answer.status, 200, answer.text.slice(0, 300))
  assert.equal(answer.html.querySelectorAll('input[name=reference]').length, 16)
})

test('words of an answer come through nginx while it is written, and long silence ends nothing', { skip }, async () => {
  const person = await personOf('bob', impatient)
  const id = await say(person, 'hello')
  await replyIn(app.db, id, 'done')
  const stream = await openStream(impatient, person, `/chat/${id}/events`)
  const fault = app.mock.control.fault({ match: { prompt: 'please grow' }, hold: 'mid_picture', answer: longAnswer })
  await say(person, 'please grow', id)
  await until('the first words', async () => stream.text().includes('Paragraph number 1'))
  assert.equal((await replyIn(app.db, id, 'running')).state, 'running', 'they are here before the end')
  const signs = () => stream.events.filter(({ event, data }) => event === '' && data === '').length
  const before = signs()
  await until('signs of life for twice as long as nginx waits', async () => signs() - before > 2 * SIGNS)
  app.mock.control.release(fault)
  await replyIn(app.db, id, 'done')
  await until('its end on the same stream', async () => stream.events.some(({ event }) => event === 'e'))
  stream.close()
})

test('a job may take much longer than nginx waits for anything', { skip }, async () => {
  const person = await personOf('dora', impatient)
  app.mock.control.set({ latencyMs: PATIENCE * 3000 })
  const id = await ask(person, 'takes its time')
  assert.match((await person.get(`/images/${id}`)).text, /takes its time/)
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  app.mock.control.set({ latencyMs: 0 })
  const page = await person.get(`/images/${id}`)
  const picture = page.html.querySelector('img[src^="/files/"]')!.getAttribute('src')!
  assert.equal((await person.get(picture.replace(/\/thumb$/, ''))).headers['content-type'], 'image/png')
})

test('through nginx everybody is who they are, and nobody reads the numbers', { skip }, async () => {
  assert.equal((await fetch(`${site}/metrics`)).status, 404)
  const browser = openBrowser(site, () => {})
  const signIn = (address: number) =>
    browser.post(
      '/login',
      { email: `eve${address}@example.com`, password: 'long enough' },
      { headers: { 'X-Forwarded-For': `10.9.8.${address}` } },
    )
  const answers: number[] = []
  for (let address = 1; address <= 25; address++) answers.push((await signIn(address)).status)
  assert.equal(answers.at(-1), 429, `an address that is claimed counts for nothing: ${answers.join(' ')}`)
})

test('the log of nginx has neither queries nor names of pictures', { skip }, async () => {
  const [token, picture] = ['planted-'.padEnd(40, 't'), 'p1ctur3-'.padEnd(32, 'n')]
  await fetch(`${site}/images?token=${token}`, { redirect: 'manual', headers: { Referer: `${site}/?token=${token}` } })
  await fetch(`${site}/files/${picture}/thumb?a=${token}`, { redirect: 'manual' })
  await fetch(`${site}/health`)
  const log = await until('the lines', async () => {
    const text = readFileSync(accessLogs.get(site)!, 'utf8')
    return text.includes('/health') && text.includes('/files/') && text
  })
  assert.match(log, /"GET \/images" 303 /)
  assert.match(log, /"GET \/files\/p1ctur\.\.\.\/thumb" /)
  assert.doesNotMatch(log, /planted|p1ctur3-n/)
})

function personOf(name: string, address: string) {
  return signedIn(
    app,
    `${name}@example.com`,
    openBrowser(address, () => {}),
  )
}

/** A megabyte and more that compresses to nothing less. */
function noise(): Promise<Buffer> {
  const [width, height] = [640, 600]
  return sharp(randomBytes(width * height * 3), { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toBuffer()
}

/** The documented file, but for its port, its certificate and its patience; answers its address. */
async function startNginx(backend: string, patience: number): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-nginx-'))
  atEnd(() => rm(directory, { recursive: true, force: true }))
  const address = `127.0.0.1:${await freePort()}`
  const documented = readFileSync(path.join(import.meta.dirname, '../deploy/nginx.conf'), 'utf8')
  const tried = documented
    .replace('server 127.0.0.1:8081;', `server ${backend};`)
    .replace('listen 443 ssl;', `listen ${address};`)
    .replaceAll(/^ *ssl_.*$/gm, '')
    .replaceAll('/var/log/nginx', directory)
    .replaceAll(`${DOCUMENTED}s;`, `${patience}s;`)
  for (const part of [backend, address, `${patience}s;`]) assert.ok(tried.includes(part), `${part} is in its place`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(kind => `${kind}_temp_path ${directory}/${kind};`)
    .join('\n')
  const main = path.join(directory, 'nginx.conf')
  writeFileSync(
    main,
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${directory}/pid; error_log stderr warn; worker_processes 1;
events {}
http { access_log off; ${temporary} ${tried} }`,
  )
  const test = spawnSync(nginx!, ['-t', '-c', main, '-p', directory], { encoding: 'utf8' })
  assert.equal(test.status, 0, test.stderr)
  const child = spawn(nginx!, ['-c', main, '-p', directory], { stdio: ['ignore', 'ignore', 'inherit'] })
  atEnd(() => end(child))
  const url = `http://${address}`
  accessLogs.set(url, path.join(directory, 'playground.access.log'))
  await until('nginx to listen', () =>
    fetch(`${url}/health`).then(
      res => res.ok,
      () => false,
    ),
  )
  return url
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGQUIT')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}
