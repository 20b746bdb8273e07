import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, suite, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { setHonours } from '../account/queries.ts'
import { blobOf, boundKey, expireTokensOf } from '../testing/agents.ts'
import { atEnd } from '../testing/database.ts'
import { type Asked, intercept } from '../testing/intercept.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { type SshPair, sshKeygen } from '../testing/ssh.ts'

const scripts = path.join(import.meta.dirname, '../../skills/sub2api-image/scripts')
const API = '/api/playground/ssh'
const run = promisify(execFile)
let app: TestApp

before(async () => {
  for (const program of ['python3', 'ssh-keygen', 'ssh-agent', 'ssh-add']) {
    const found = await run('sh', ['-c', 'command -v "$0"', program]).catch(() => null)
    assert.ok(found, `${program} is not installed: the skill cannot be tested without it`)
  }
  app = await testApp()
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
  /** What stdout says, and what the last line on stderr says. */
  answer: Record<string, unknown>
  failure: Record<string, unknown>
}

/** A machine of somebody's: a home directory of its own, and an environment with nothing but what is given. */
async function machine(environment: Record<string, string> = {}) {
  const home = await mkdtemp(path.join(tmpdir(), 'playground-home-'))
  atEnd(() => rm(home, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH ?? '', HOME: home, SUB2API_PLAYGROUND_URL: app.url, ...environment }

  function start(script: 'create' | 'download' | 'library', args: string[], more: Record<string, string> = {}) {
    const file = script === 'library' ? 'library_pictures.py' : `${script}_image_task.py`
    const child = spawn('python3', [path.join(scripts, file), ...args], {
      env: { ...env, ...more },
      cwd: home,
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => {
      output.stdout += chunk
    })
    child.stderr.on('data', chunk => {
      output.stderr += chunk
    })
    const ended = once(child, 'close').then(([code]): Ended => {
      const { stdout, stderr } = output
      const both = stdout + stderr
      assert.doesNotMatch(both, /Traceback|ssh_[\w-]{16}|PRIVATE KEY|A mistake in this script/)
      return {
        code: code as number | null,
        stdout,
        stderr,
        answer: stdout ? JSON.parse(stdout) : {},
        failure: code === 0 ? {} : JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? ''),
      }
    })
    return { child, output, ended }
  }
  return {
    home,
    start,
    create: (args: string[], more?: Record<string, string>) => start('create', args, more).ended,
    library: (...args: string[]) => start('library', args).ended,
    download: (args: string[], more?: Record<string, string>) => start('download', args, more).ended,
  }
}

/** Alice at her machine, with a key that is bound under her account. */
async function aliceAtWork(environment: Record<string, string> = {}) {
  const person = await alice(app)
  const key = await boundKey(app, person)
  return { person, key, ...(await machine({ SUB2API_SSH_KEY: key.file, ...environment })) }
}

async function picture(file: string, color: string): Promise<string> {
  await sharp({ create: { width: 64, height: 48, channels: 4, background: color } })
    .png()
    .toFile(file)
  return file
}

async function countOf(sql: string, ...values: unknown[]): Promise<number> {
  const { rows } = await app.db.pool.query<{ count: string }>(`select count(*) from ${sql}`, values)
  return Number(rows[0]?.count)
}

function tokensOf(key: SshPair): Promise<number> {
  return countOf('ssh_tokens t join ssh_keys k on k.id = t.ssh_key_id where k.blob = $1', blobOf(key))
}

function jobsOf(person: Person): Promise<number> {
  return countOf('image_jobs j join users u on u.id = j.user_id where u.email = $1', person.email)
}

async function cacheFile(home: string): Promise<string> {
  const folder = path.join(home, '.cache/sub2api-image')
  const files = await readdir(folder)
  assert.equal(files.length, 1)
  return path.join(folder, files[0]!)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function isCreate({ method, path: where }: Asked): boolean {
  return method === 'POST' && where === `${API}/tasks`
}

// Most of the time they wait: for pictures, and between two tries.
suite('the scripts of the skill', { concurrency: 4 }, () => {
  test('a script finds pictures of the library, files them and fetches them', async () => {
    const person = await alice(app)
    const key = await boundKey(app, person)
    const { library, home } = await machine({ SUB2API_SSH_KEY: key.file })
    const picture = await makePicture(app, person, 'a heron, 苍鹭')
    const tagged = await library('tag', picture.id, '--tag', '夜', '--tag', 'series 2')
    assert.deepEqual([tagged.code, tagged.answer.count], [0, 1], tagged.stderr)
    await library('move', picture.id, '--folder', 'For the poster')
    const found = await library(
      'find',
      '--query',
      '苍鹭 heron',
      '--tag',
      'SERIES 2',
      '--from',
      '2020-01-01',
      '--limit',
      '5',
    )
    const [first] = found.answer.pictures as { id: string; folder: { name: string } }[]
    assert.deepEqual([first?.id, first?.folder.name], [picture.id, 'For the poster'])
    assert.deepEqual((await library('names')).answer.tags, ['series 2', '夜'])
    const { picture: shown } = (await library('show', picture.id)).answer as { picture: { asked: { n: number } } }
    assert.equal(shown.asked.n, 1)

    const saved = await library('download', picture.id, '--download-path', 'out/')
    const file = path.join(home, 'out', `${picture.id}-1.png`)
    assert.equal(saved.answer.file, file)
    assert.ok((await readFile(file)).equals((await person.get(`/files/${picture.token}`)).body))
    const copy = await library('download', picture.id, '--download-path', 'heron.webp')
    assert.equal((await sharp(String(copy.answer.file)).metadata()).format, 'webp')

    const refused = await library('delete', picture.id)
    assert.deepEqual([refused.code, refused.failure.ok], [1, false])
    assert.match(String(refused.failure.error), /not made by this SSH key/)
    assert.equal((await library('undo', String(tagged.answer.change_id))).answer.undone, true)
    assert.deepEqual((await library('trash')).answer.pictures, [])
    for (const wrong of [
      ['find', '--sort', 'best'],
      ['show', picture.id.replace(/.$/, end => (end === '0' ? '1' : '0'))],
    ]) {
      assert.equal((await library(...wrong)).code, 1, wrong.join(' '))
    }
    for (const wrong of [['burn'], ['show', 'x'], ['tag', picture.id], ['move', picture.id]]) {
      assert.equal((await library(...wrong)).code, 2, wrong.join(' '))
    }
  })

  test('a script asks for a picture, asks how it stands, and fetches exactly what is in the library', async () => {
    const { person, home, create, download } = await aliceAtWork()
    const held = app.mock.control.fault({ match: { prompt: 'a quiet harbour' }, hold: 'before_headers' })
    const { id: keyId } = app.mock.control.keysOf(person.email)[0]!
    const habit = { keyId, keyGroup: '', model: 'gpt-image-2', since: new Date(), asked: 'high', came: 'medium' }
    await setHonours(app.db, app.mock.control.user(person.email).id, [
      { ...habit, parameter: 'quality', verdict: 'changed' },
    ])
    const made = await create(['--prompt', 'a quiet harbour'])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(made.stderr, '')
    assert.deepEqual(Object.keys(made.answer), ['ok', 'task_id', 'status', 'message', 'warnings'])
    assert.deepEqual([made.answer.ok, made.answer.status], [true, 'queued'])
    assert.match(JSON.stringify(made.answer.warnings), /"quality".*Last time high was asked, medium came/)
    const id = String(made.answer.task_id)

    await app.mock.control.waitForCalls(1, { email: person.email, state: 'held' })
    const waiting = await download(['--task-id', id, '--download-path', 'pictures'])
    assert.equal(waiting.code, 0)
    assert.deepEqual([waiting.answer.ok, waiting.answer.status], [true, 'processing'])
    assert.deepEqual(await readdir(path.join(home, 'pictures')), [])

    app.mock.control.release(held)
    const done = await download(['--task-id', id, '--download-path', 'pictures', '--wait', '--quiet'])
    assert.equal(done.code, 0, done.stderr)
    assert.equal(done.stderr, '')
    assert.equal(done.answer.status, 'completed')
    const file = path.join(home, 'pictures', `${id}-1.png`)
    assert.deepEqual(done.answer.files, [file])
    assert.deepEqual(await readdir(path.join(home, 'pictures')), [`${id}-1.png`])

    const { rows } = await app.db.pool.query<{ token: string }>('select token from pictures where job_id = $1', [id])
    const kept = await person.get(`/files/${rows[0]?.token}`)
    assert.equal(sha256(await readFile(file)), sha256(kept.body))
    assert.match((await person.get(`/images/${id}`)).text, /laptop/)
  })

  test('one command waits, keeps several pictures, and makes the format that the file name asks for', async () => {
    const { home, create } = await aliceAtWork()
    const done = await create(['--prompt', 'two birds', '--n', '2', '--quality', 'low', '--output', 'birds/pair.webp'])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stderr, /: (queued|processing) after \d+ s\n/)
    assert.deepEqual(
      done.answer.files,
      [1, 2].map(number => path.join(home, `birds/pair-${number}.webp`)),
    )
    for (const file of done.answer.files as string[]) assert.equal((await sharp(file).metadata()).format, 'webp')
  })

  test('a picture in the trash shifts no other, and what is missing is said', async () => {
    const { home, person, create, download } = await aliceAtWork()
    app.mock.control.fault({ match: { prompt: 'two of three' }, deliver: 2 })
    const made = await create(['--prompt', 'two of three', '--n', '3', '--wait', '--quiet'])
    assert.equal(made.answer.error, '2 of 3 pictures came.')
    const { rows } = await app.db.pool.query<{ id: string }>(
      'select id from pictures where job_id = $1 order by position',
      [made.answer.task_id],
    )
    await person.post(`/library/${rows[0]!.id}/delete`)
    const left = await download(['--task-id', String(made.answer.task_id), '--download-path', 'left'])
    assert.deepEqual(left.answer.files, [path.join(home, 'left', `${String(made.answer.task_id)}-2.png`)])
  })

  test('a file is named after what was really made', async () => {
    const { home, create } = await aliceAtWork()
    const done = await create(['--prompt', 'a stone', '--format', 'jpeg', '--output', 'stone.png', '--quiet'])
    assert.deepEqual(done.answer.files, [path.join(home, 'stone.jpg')])
  })

  test('several references and a mask make an edit', async () => {
    const { person, home, create } = await aliceAtWork()
    const [red, green, blue] = await Promise.all(
      ['red', 'green', 'blue'].map(color => picture(path.join(home, `${color}.png`), color)),
    )
    const mask = await picture(path.join(home, 'mask.png'), '#00000000')
    const flags = ['--reference', red!, green!, '--reference', blue!, '--mask', mask, '--wait', '--quiet']
    const done = await create(['--prompt', 'put them together', ...flags])
    assert.equal(done.code, 0, done.stderr)
    const [call] = app.mock.control.calls({ email: person.email })
    assert.equal(call?.path, '/v1/images/edits')
    assert.deepEqual([call.inputs, call.hasMask], [3, true])
  })

  test('what is not a picture is never sent', async t => {
    const { key, create } = await aliceAtWork()
    const front = await intercept(t, app.url, (_, forward) => forward())
    const refused = await create(['--prompt', 'x', '--reference', key.file, '--playground-url', front.url])
    assert.equal(refused.code, 1)
    assert.match(String(refused.failure.error), /not a PNG, JPEG or WebP/)
    assert.equal(front.asked.length, 0)
  })

  test('a key that nobody has bound is told with its fingerprint and the page to bind it on', async () => {
    const stranger = await sshKeygen('ed25519')
    const { create } = await machine()
    const refused = await create(['--prompt', 'x', '--ssh-key', stranger.file])
    assert.equal(refused.code, 1)
    assert.equal(refused.stdout, '')
    assert.equal(refused.stderr.split('\n').length, 2)
    assert.match(String(refused.failure.error), /SHA256:.*\/agents/)
  })

  test('without any key, with a missing one, and with one behind a passphrase, the sentence says what to do', async () => {
    const { home, create } = await machine()
    assert.match(String((await create(['--prompt', 'x'])).failure.error), /--ssh-key or SUB2API_SSH_KEY/)
    assert.match(String((await create(['--prompt', 'x', '--ssh-key', '~/gone'])).failure.error), /gone does not exist/)

    const person = await alice(app)
    const locked = await boundKey(app, person)
    await run('ssh-keygen', ['-q', '-p', '-f', locked.file, '-N', 'secret words'])
    const refused = await create(['--prompt', 'x', '--ssh-key', locked.file])
    assert.match(String(refused.failure.error), /has a passphrase: load it with ssh-add/)
    assert.deepEqual(await readdir(home), [])
  })

  test('keys are tried in order: the usual files, then those in a real ssh-agent', async t => {
    const person = await alice(app)
    const inAgent = await boundKey(app, person)
    const { home, create } = await machine()
    await mkdir(path.join(home, '.ssh'), { mode: 0o700 })
    await rename((await sshKeygen('ecdsa')).file, path.join(home, '.ssh/id_ecdsa'))

    const socket = path.join(home, 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    t.after(() => agent.kill())
    await until('the agent to listen', () => stat(socket).catch(() => null))
    await run('ssh-add', ['-q', inAgent.file], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
    await rm(inAgent.file)

    const unknown = await create(['--prompt', 'by nobody'])
    assert.match(String(unknown.failure.error), /id_ecdsa \(SHA256:/)
    const made = await create(['--prompt', 'by agent'], { SSH_AUTH_SOCK: socket })
    assert.equal(made.code, 0, made.stderr)
    assert.equal(await tokensOf(inAgent), 1)

    // A .pub file names a key that only the agent holds.
    const named = await create(['--prompt', 'by name', '--ssh-key', `${inAgent.file}.pub`], { SSH_AUTH_SOCK: socket })
    assert.equal(named.code, 0, named.stderr)
  })

  test("an unknown task and another person's task are both not found", async () => {
    const { create } = await aliceAtWork()
    const hers = await create(['--prompt', 'mine'])
    const intruder = await charlie(app)
    const his = await machine({ SUB2API_SSH_KEY: (await boundKey(app, intruder)).file })
    for (const id of [randomUUID(), String(hers.answer.task_id)]) {
      const refused = await his.download(['--task-id', id, '--download-path', '.', '--wait'])
      assert.equal(refused.code, 1)
      assert.match(String(refused.failure.error), /not found/i)
      assert.equal(refused.failure.task_id, id)
    }
  })

  test('a refused connection is one sentence', async () => {
    const { create } = await aliceAtWork({ SUB2API_PLAYGROUND_URL: 'http://127.0.0.1:9' })
    const refused = await create(['--prompt', 'x'])
    assert.equal(refused.code, 1)
    assert.deepEqual(Object.keys(refused.failure), ['ok', 'error'])
    assert.match(String(refused.failure.error), /refuses connections/)
  })

  test('a failed task ends with its reason and whether it was charged', async () => {
    const { create, download } = await aliceAtWork()
    app.mock.control.fault({ match: { prompt: 'too bold' }, reply: 'moderation' })
    const failed = await create(['--prompt', 'too bold', '--wait', '--quiet'])
    assert.equal(failed.code, 1)
    assert.equal(failed.stdout, '')
    assert.equal(failed.failure.reason, 'content_policy')
    assert.equal(failed.failure.charged, 'no')
    assert.ok(String(failed.failure.error).length > 10)

    const again = await download(['--task-id', String(failed.failure.task_id), '--download-path', '.'])
    assert.equal(again.code, 1)
    assert.equal(again.stderr.split('\n').length, 2)
  })

  test('the bearer token is kept for its owner only, used again, and replaced when the server has dropped it', async () => {
    const { key, home, create } = await aliceAtWork()
    await create(['--prompt', 'one'])
    const file = await cacheFile(home)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.equal((await stat(path.dirname(file))).mode & 0o777, 0o700)
    await create(['--prompt', 'two'])
    assert.equal(await tokensOf(key), 1)

    const before = JSON.parse(await readFile(file, 'utf8')).access_token
    await expireTokensOf(app, key)
    const made = await create(['--prompt', 'three'])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(await tokensOf(key), 2)
    assert.notEqual(JSON.parse(await readFile(file, 'utf8')).access_token, before)
    assert.equal((await stat(file)).mode & 0o777, 0o600)

    // Somebody else could have put it there.
    await chmod(file, 0o644)
    await create(['--prompt', 'four'])
    assert.equal(await tokensOf(key), 3)
  })

  test('a token is only shown to the server it came from, and redirects are not followed', async t => {
    const { create } = await aliceAtWork()
    assert.equal((await create(['--prompt', 'first'])).code, 0)
    const trap = await intercept(t, app.url, () => ({ status: 200, body: '{}' }))
    for (const status of [301, 302, 303, 307, 308]) {
      const front = await intercept(t, app.url, async (asked, forward) =>
        isCreate(asked) ? { status, headers: { Location: `${trap.url}${asked.path}` } } : forward(),
      )
      const refused = await create(['--prompt', 'second', '--playground-url', front.url])
      assert.equal(refused.code, 1)
      assert.match(String(refused.failure.error), /redirects to http.*not followed/)
      assert.match(front.asked[0]?.path ?? '', /challenge/)
    }
    assert.equal(trap.asked.length, 0)
  })

  test('when the answer is lost, the same idempotency key is sent again and one task is made', async t => {
    const { person, create } = await aliceAtWork()
    let lost = 0
    const front = await intercept(t, app.url, async (asked, forward) => {
      const answer = await forward()
      return isCreate(asked) && lost++ === 0 ? null : answer
    })
    const made = await create(['--prompt', 'once only', '--playground-url', front.url])
    assert.equal(made.code, 0, made.stderr)
    const keys = front.asked.filter(isCreate).map(({ headers }) => headers['idempotency-key'])
    assert.equal(keys.length, 2)
    assert.equal(keys[0], keys[1])
    assert.equal(await jobsOf(person), 1)
  })

  test('when no answer ever comes, the sentence names the key to repeat with, and repeating makes no second task', async t => {
    const { person, create } = await aliceAtWork()
    const front = await intercept(t, app.url, async (asked, forward) => {
      const answer = await forward()
      return isCreate(asked) ? null : answer
    })
    const lost = await create(['--prompt', 'who knows', '--playground-url', front.url])
    assert.equal(lost.code, 1)
    const [, key] = /--idempotency-key ([\w-]{36})$/.exec(String(lost.failure.error)) ?? []
    assert.ok(key, lost.stderr)
    const made = await create(['--prompt', 'who knows', '--idempotency-key', key])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(await jobsOf(person), 1)
  })

  test('a short Retry-After is waited for, a long one is told', async t => {
    const { create } = await aliceAtWork()
    let refusals = 0
    const busy = (seconds: string) => ({
      status: refusals === 1 ? 429 : 503,
      headers: { 'Retry-After': seconds, 'Content-Type': 'application/json' },
      body: JSON.stringify({ code: 429, message: 'Too busy', reason: 'rate_limited' }),
    })
    const front = await intercept(t, app.url, (asked, forward) =>
      isCreate(asked) && refusals++ < 2 ? busy('1') : forward(),
    )
    const began = performance.now()
    const made = await create(['--prompt', 'patience', '--playground-url', front.url])
    assert.equal(made.code, 0, made.stderr)
    assert.ok(performance.now() - began >= 2000)

    const closed = await intercept(t, app.url, (asked, forward) => (isCreate(asked) ? busy('3600') : forward()))
    const told = await create(['--prompt', 'patience', '--playground-url', closed.url])
    assert.deepEqual(told.failure, { ok: false, error: 'Too busy', reason: 'rate_limited', retry_after: 3600 })
    assert.equal(closed.asked.filter(isCreate).length, 1)
  })

  test('nothing but a sign-in of this key is ever signed', async t => {
    const { create } = await aliceAtWork()
    const changes: Record<string, (data: Record<string, string>) => object> = {
      'another namespace': data => ({ ...data, namespace: 'git' }),
      'another text': data => ({ ...data, message: 'commit 1234\n' }),
      'another key': data => ({ ...data, message: data.message!.replace(/SHA256:\S+/, `SHA256:${'A'.repeat(43)}`) }),
      'more text': data => ({ ...data, message: `${data.message}and my consent\n` }),
      'another challenge': data => ({ ...data, challenge_id: randomUUID() }),
    }
    for (const [what, change] of Object.entries(changes)) {
      const front = await intercept(t, app.url, async (_, forward) => {
        const answer = await forward()
        const content = JSON.parse(String(answer.body))
        return { ...answer, body: JSON.stringify({ ...content, data: change(content.data) }) }
      })
      const refused = await create(['--prompt', 'x', '--playground-url', front.url])
      assert.match(String(refused.failure.error), /nothing was signed/, what)
      assert.deepEqual(
        front.asked.map(asked => asked.path),
        [`${API}/challenge`],
        what,
      )
    }
  })

  test('a picture that breaks off is fetched again, and only a whole one is kept', async t => {
    const { home, create, download } = await aliceAtWork()
    const made = await create(['--prompt', 'in pieces', '--wait', '--quiet'])
    const id = String(made.answer.task_id)
    let cuts = 0
    const front = await intercept(t, app.url, async ({ path: where }, forward) => {
      const answer = await forward()
      return where.includes('/download') && cuts++ === 0 ? { ...answer, cutAfter: 1000 } : answer
    })
    const done = await download(['--task-id', id, '--download-path', 'out/', '--playground-url', front.url])
    assert.equal(done.code, 0, done.stderr)
    assert.equal(cuts, 2)
    assert.deepEqual(await readdir(path.join(home, 'out')), [`${id}-1.png`])
    await sharp(path.join(home, `out/${id}-1.png`)).stats()

    const dead = await intercept(t, app.url, async ({ path: where }, forward) => {
      const answer = await forward()
      return where.includes('/download') ? { ...answer, cutAfter: 1000 } : answer
    })
    const broken = await download(['--task-id', id, '--download-path', 'none/', '--playground-url', dead.url])
    assert.equal(broken.code, 1)
    assert.deepEqual(await readdir(path.join(home, 'none')), [])
  })

  test('servers that are no playground, and answers that make no sense, end in a sentence', async t => {
    const { create } = await aliceAtWork()
    const token = `ssh_${randomBytes(32).toString('base64url')}`
    const odd: Record<string, { status: number; body: string }> = {
      'a web page': { status: 200, body: '<html>Welcome</html>' },
      'a missing page': { status: 404, body: '<html>Not found</html>' },
      'a list': { status: 200, body: '[]' },
      'a number for data': { status: 200, body: '{"data":7}' },
      'a quoted token': { status: 400, body: JSON.stringify({ message: `bad\n${token}` }) },
      'an empty error': { status: 500, body: '' },
    }
    for (const [what, answer] of Object.entries(odd)) {
      const front = await intercept(t, app.url, () => answer)
      const refused = await create(['--prompt', 'x', '--playground-url', front.url])
      assert.equal(refused.code, 1, what)
      assert.equal(refused.stderr.split('\n').length, 2, what)
    }
  })

  test('Python 3.8 can read them', async () => {
    const check = `import ast, pathlib, sys
for file in pathlib.Path(sys.argv[1]).rglob('*.py'): print(ast.parse(file.read_text('utf-8'), str(file), feature_version=(3, 8)) and file.name)`
    const { stdout } = await run('python3', ['-c', check, scripts])
    assert.match(stdout, /create_image_task\.py/)
  })

  test('wrong flags exit with 2 and one line', async () => {
    const { create, download } = await machine()
    const wrong: Ended[] = await Promise.all([
      create([]),
      create(['--prompt', '']),
      create(['--prompt', 'x', '--n', '11']),
      create(['--prompt', 'x', '--format', 'gif']),
      create(['--prompt', 'x', '--mask', 'a.png']),
      create(['--prompt', 'x', '--playground-url', 'ftp://example.com']),
      create(['--prompt', 'x', '--user-agent', 'a\r\nb: c']),
      create(['--prompt', 'x', '--reference', ...Array<string>(17).fill('a.png')]),
      create(['--prompt', 'x', '--idempotency-key', 'with blank']),
      create(['--promp', 'x']),
      download(['--task-id', '../../me', '--download-path', '.']),
      download(['--task-id', randomUUID()]),
    ])
    for (const { code, stdout, stderr, failure } of wrong) {
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.equal(stderr.split('\n').length, 2)
      assert.equal(failure.ok, false)
    }
  })

  test('nothing is paid for when the pictures could not be kept', async t => {
    const { home, create } = await aliceAtWork()
    await writeFile(path.join(home, 'taken'), '')
    const front = await intercept(t, app.url, (_, forward) => forward())
    const refused = await create(['--prompt', 'x', '--output', 'taken/out/', '--playground-url', front.url])
    assert.equal(refused.code, 1)
    assert.match(String(refused.failure.error), /cannot|Nothing can be written/)
    assert.equal(front.asked.length, 0)
  })

  test('who interrupts the wait learns the task that goes on', async t => {
    const { start } = await aliceAtWork()
    const held = app.mock.control.fault({ match: { prompt: 'never mind' }, hold: 'before_headers' })
    t.after(() => app.mock.control.release(held))
    const { child, output, ended } = start('create', ['--prompt', 'never mind', '--wait'])
    await until('the script to wait', async () => output.stderr.includes('after'))
    child.kill('SIGINT')
    const { code, failure } = await ended
    assert.equal(code, 1)
    assert.match(String(failure.error), /Interrupted; the task goes on/)
    assert.match(String(failure.task_id), /^[0-9a-f-]{36}$/)
  })

  test('a wait that takes too long ends well, with the task still under way', async (t: TestContext) => {
    const { create } = await aliceAtWork()
    const held = app.mock.control.fault({ match: { prompt: 'no hurry' }, hold: 'before_headers' })
    t.after(() => app.mock.control.release(held))
    const { code, answer } = await create(['--prompt', 'no hurry', '--wait', '--timeout', '2', '--quiet'])
    assert.equal(code, 0)
    assert.equal(answer.ok, true)
    assert.match(String(answer.status), /queued|processing/)
  })
})
