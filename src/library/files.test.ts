import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { request } from 'node:http'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import sharp from 'sharp'
import type { Page, Visit } from '../testing/browser.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture, makePictures } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
let owner: Person
let picture: MadePicture
let original: Buffer
before(async () => {
  app = await testApp()
  owner = await alice(app)
  picture = await makePicture(app, owner, 'a lighthouse in the rain')
  original = await fromTheGateway(owner, 'a lighthouse in the rain')
})

const bytes = (visit: Visit = {}, suffix = '') => owner.get(`/files/${picture.token}${suffix}`, visit)

test('a picture is byte for byte what the gateway sent', async () => {
  const answer = await bytes()

  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'image/png')
  assert.equal(answer.headers['content-length'], String(original.length))
  assert.equal(sha256(answer.body), sha256(original))
})

test('its thumbnail is a WebP of at most 480 pixels in the same proportions', async () => {
  const [wide] = await makePictures(app, owner, { prompt: 'a wide one', size: '1536x864' })

  const answer = await owner.get(`/files/${wide!.token}/thumb`)

  assert.equal(answer.headers['content-type'], 'image/webp')
  const { format, width, height } = await sharp(answer.body).metadata()
  assert.deepEqual([format, width, height], ['webp', 480, 270])
})

test('a large one comes as large as a screen, once, and to its owner only', async () => {
  const [large] = await makePictures(app, owner, { prompt: 'a large one #noise', size: '3840x2160' })
  const address = `/files/${large!.token}/screen`

  const answer = await owner.get(address)

  assert.equal(answer.headers['content-type'], 'image/webp')
  assert.equal(answer.headers['cache-control'], 'private, max-age=31536000, immutable')
  const { width, height } = await sharp(answer.body).metadata()
  assert.deepEqual([width, height], [2048, 1152])
  assert.equal((await owner.get(address, { headers: { 'If-None-Match': answer.headers.etag! } })).status, 304)
  const stranger = await charlie(app)
  assert.equal((await stranger.get(address, { headers: { 'If-None-Match': answer.headers.etag! } })).status, 404)
  assert.equal((await app.browser().get(address)).status, 303)
})

test('a small one comes as it is, where one as large as a screen is asked for', async () => {
  const [small] = await makePictures(app, owner, { prompt: 'a small one' })
  const answer = await owner.get(`/files/${small!.token}/screen`)
  assert.equal(answer.headers['content-type'], 'image/png')
  assert.deepEqual(answer.body, (await owner.get(`/files/${small!.token}`)).body)
})

for (const suffix of ['', '/thumb']) {
  describe(`the bytes at /files/:token${suffix}`, () => {
    test("are alice's only", async () => {
      const stranger = await charlie(app)
      const answer = await stranger.get(`/files/${picture.token}${suffix}`)
      assert.equal(answer.status, 404)
      assert.equal((await stranger.head(`/files/${picture.token}${suffix}`)).status, 404)
      const ranged = { headers: { Range: 'bytes=0-9', 'If-None-Match': (await bytes({}, suffix)).headers.etag! } }
      assert.equal((await stranger.get(`/files/${picture.token}${suffix}?download=${picture.id}`, ranged)).status, 404)
      assert.equal((await app.browser().get(`/files/${picture.token}${suffix}`)).status, 303)
    })

    test('may be kept by the browser for ever, by nobody on the way, and do nothing when opened', async () => {
      const { headers } = await bytes({}, suffix)
      assert.equal(headers['cache-control'], 'private, max-age=31536000, immutable')
      assert.equal(headers['content-security-policy'], "sandbox; default-src 'none'")
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['content-encoding'], undefined)
      assert.match(headers.etag!, /^"[\w-]+"$/)
    })

    test('are not sent again to who has them', async () => {
      const { headers } = await bytes({}, suffix)
      for (const known of [headers.etag!, `W/${headers.etag}`, `"other", ${headers.etag}`, '*']) {
        const answer = await bytes({ headers: { 'If-None-Match': known } }, suffix)
        assert.equal(answer.status, 304, known)
        assert.equal(answer.body.length, 0)
        assert.equal(answer.headers.etag, headers.etag)
      }
      assert.equal((await bytes({ headers: { 'If-None-Match': '"other"' } }, suffix)).status, 200)
    })

    test('answer HEAD with the headers of GET', async () => {
      const whole = await bytes({}, suffix)
      const head = await owner.head(`/files/${picture.token}${suffix}`, { headers: { Range: 'bytes=0-9' } })
      assert.equal(head.status, 200)
      for (const name of ['content-type', 'content-length', 'etag', 'cache-control', 'accept-ranges']) {
        assert.equal(head.headers[name], whole.headers[name], name)
      }
    })
  })
}

test('a part of a picture is what its Range says', async () => {
  const size = original.length
  const parts: [range: string, start: number, end: number][] = [
    ['bytes=0-0', 0, 0],
    ['bytes=0-9', 0, 9],
    ['bytes=100-199', 100, 199],
    [`bytes=${size - 10}-`, size - 10, size - 1],
    [`bytes=${size - 10}-${size + 1000}`, size - 10, size - 1],
    ['bytes=-10', size - 10, size - 1],
    [`bytes=-${size + 1000}`, 0, size - 1],
  ]
  for (const [range, start, end] of parts) {
    const answer = await bytes({ headers: { Range: range } })
    assert.equal(answer.status, 206, range)
    assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${size}`)
    assert.equal(answer.headers['content-length'], String(end - start + 1))
    assert.ok(answer.body.equals(original.subarray(start, end + 1)), range)
  }
})

test('a part beyond the end is refused, with the size', async () => {
  for (const range of [`bytes=${original.length}-`, `bytes=${original.length}-${original.length + 1}`, 'bytes=-0']) {
    const answer = await bytes({ headers: { Range: range } })
    assert.equal(answer.status, 416, range)
    assert.equal(answer.headers['content-range'], `bytes */${original.length}`)
    assert.equal(answer.body.length, 0)
  }
})

test('several parts, and what is no range of bytes, get the whole', async () => {
  for (const range of ['bytes=0-1,5-6', 'bytes=5-2', 'bytes=', 'bytes=-', 'pages=1-2', 'bytes=a-b', '0-9']) {
    const answer = await bytes({ headers: { Range: range } })
    assert.equal(answer.status, 200, range)
    assert.equal(answer.body.length, original.length)
  }
})

test('a part of another version gets the whole', async () => {
  const { etag } = (await bytes()).headers
  const ask = (known: string) => bytes({ headers: { Range: 'bytes=0-9', 'If-Range': known } })

  assert.equal((await ask(etag!)).status, 206)
  for (const known of ['"other"', `W/${etag}`, new Date().toUTCString()]) assert.equal((await ask(known)).status, 200)
})

test('a download is named after its prompt', async () => {
  const names: [prompt: string, name: string][] = [
    ['A lighthouse in the rain, long exposure', 'A-lighthouse-in-the-rain-long-exposure.png'],
    ['雨中的灯塔，长曝光', '雨中的灯塔-长曝光.png'],
    ['🐙🐙', 'picture.png'],
    ['🐙 an octopus', 'an-octopus.png'],
    ['../../etc/passwd', 'etc-passwd.png'],
    ['a\\b:c*d?"e<f>|g', 'a-b-c-d-e-f-g.png'],
    ['"; filename="evil.exe', 'filename-evil-exe.png'],
    ['two\r\nSet-Cookie: lines=1', 'two-Set-Cookie-lines-1.png'],
    ['नमस्ते दुनिया', 'नमस्ते-दुनिया.png'],
    ['w'.repeat(300), `${'w'.repeat(48)}.png`],
    [`${'w'.repeat(47)}𠀀𠀀`, `${'w'.repeat(47)}𠀀.png`],
  ]
  for (const [prompt, name] of names) {
    const made = await makePicture(app, owner, prompt)
    const answer = await owner.get(`/files/${made.token}?download=${made.id}`)
    assert.equal(answer.status, 200, prompt)
    assert.equal(nameIn(answer), name)
    assert.equal(answer.headers['set-cookie'], undefined)
  }
})

test('the ending of a download is that of the bytes', async () => {
  const [made] = await makePictures(app, owner, { prompt: 'jpeg please', format: 'jpeg' })
  const answer = await owner.get(`/files/${made!.token}?download=${made!.id}`)
  assert.equal(answer.headers['content-type'], 'image/jpeg')
  assert.equal(nameIn(answer), 'jpeg-please.jpg')
})

test("a download asked for with no id, or a stranger's, is named plainly", async () => {
  const theirs = await makePicture(app, await charlie(app), "charlie's secret")
  for (const id of [theirs.id, 'x', '-'.repeat(36), '']) {
    const answer = await bytes({}, `?download=${id}`)
    assert.equal(answer.status, 200, id)
    assert.equal(nameIn(answer), 'picture.png')
  }
})

test('what is no token is not found', async () => {
  const { token } = picture
  const paths = [
    `/files/${randomBytes(24).toString('base64url')}`,
    `/files/${token}x`,
    `/files/${token}.thumb`,
    `/files/${token}/thumb/more`,
    '/files/..',
    '/files/../session-secret',
    '/files/..%2Fsession-secret',
    '/files/%2e%2e%2f%2e%2e%2fpackage.json',
    `/files/.%2F${token}`,
    '/files/%00',
    '/files/',
    '/files',
    `/files/${'a'.repeat(10_000)}`,
    `/files/${'%2F'.repeat(3000)}/thumb`,
  ]
  for (const each of paths) assert.equal(await statusOf(each), 404, each.slice(0, 60))
  assert.equal(await statusOf('/files/%ff'), 400)
  assert.equal(await statusOf(`/files/${token}`), 200)
})

test('bytes that the storage has lost are not found, and nothing is offered in their place', async () => {
  const lost = await makePicture(app, owner, 'soon lost')
  await rm(storedAt(lost.token))
  await rm(storedAt(`${lost.token}.thumb`))

  for (const address of [`/files/${lost.token}?download=${lost.id}`, `/files/${lost.token}/thumb`]) {
    for (const headers of [{}, { Range: 'bytes=0-9' }] as Record<string, string>[]) {
      const answer = await owner.get(address, { headers })
      assert.equal(answer.status, 404)
      assert.match(answer.headers['content-type']!, /^text\/html/)
      assert.equal(answer.headers['content-disposition'], undefined)
      assert.equal(answer.headers['cache-control'], 'no-store')
      assert.equal(answer.headers.etag, undefined)
      assert.equal((await owner.head(address, { headers })).status, 404)
    }
  }
  assert.equal((await owner.get(`/library/${lost.id}`)).status, 200)
})

test('a picture’s page gives copies in the other formats, named after the prompt, and the original as it is', async () => {
  const made = await makePicture(app, owner, 'a copy of a heron')
  const original = (await owner.get(`/files/${made.token}`)).body
  const page = await owner.get(`/library/${made.id}`)
  const links = page.html.querySelectorAll('a[href*="/copy?format="]')
  assert.deepEqual(
    links.map(({ text }) => text),
    ['JPEG', 'WEBP'],
  )
  for (const link of links) {
    assert.ok(link.hasAttribute('download'), 'no htmx takes it into the page')
    const copy = await owner.get(link.getAttribute('href')!.replaceAll('&amp;', '&'))
    const format = link.text.toLowerCase()
    assert.equal(copy.headers['content-type'], `image/${format}`)
    assert.equal(nameIn(copy), `a-copy-of-a-heron.${format === 'jpeg' ? 'jpg' : format}`)
    const [was, is] = [await sharp(original).metadata(), await sharp(copy.body).metadata()]
    assert.deepEqual([is.format, is.width, is.height], [format, was.width, was.height])
  }
  assert.equal((await owner.get(`/files/${made.token}/copy?format=png`)).status, 404, 'that is the picture itself')
  assert.equal((await owner.get(`/files/${made.token}/copy?format=gif`)).status, 400)
  assert.equal(sha256((await owner.get(`/files/${made.token}`)).body), sha256(original))
})

test('a deleted picture can still be seen in the trash', async () => {
  const made = await makePicture(app, owner, 'thrown away')
  await owner.post(`/library/${made.id}/delete`)
  assert.equal((await owner.get(`/files/${made.token}/thumb`)).status, 200)
})

test('the same bytes are kept once for each owner', async () => {
  const [first, second] = [
    await makePicture(app, owner, 'twice the same'),
    await makePicture(app, owner, 'twice the same'),
  ]
  const stranger = await charlie(app)
  const theirs = await makePicture(app, stranger, 'twice the same')

  assert.notEqual(first.id, second.id)
  assert.equal(first.token, second.token)
  assert.notEqual(theirs.token, first.token)
  assert.equal(
    sha256((await stranger.get(`/files/${theirs.token}`)).body),
    sha256((await owner.get(`/files/${first.token}`)).body),
  )
  await until('the spare copy to go', async () => {
    const { rows } = await app.db.pool.query<{ tokens: string[] }>('select tokens from image_jobs where id = $1', [
      second.jobId,
    ])
    const stored = await readdir(path.join(app.config.dataDirectory, 'assets'), { recursive: true })
    return rows[0]!.tokens.every(token => !stored.some(name => path.basename(name).startsWith(token)))
  })
})

/** What the mock answers to the same request when it is asked directly. */
async function fromTheGateway(person: Person, prompt: string): Promise<Buffer> {
  const [key] = app.mock.control.keysOf(person.email)
  const answer = await fetch(`${app.mock.url}/v1/images/generations`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key!.key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-image-2', prompt, n: 1, size: '1024x1024', quality: 'high' }),
  })
  const { data } = (await answer.json()) as { data: { b64_json: string }[] }
  return Buffer.from(data[0]!.b64_json, 'base64')
}

/** The status of a path sent as it is, dots and all. */
function statusOf(raw: string): Promise<number> {
  const { hostname, port } = new URL(app.url)
  const headers = { Cookie: `sid=${owner.cookie('sid')}`, Accept: 'text/html' }
  return new Promise((resolve, reject) => {
    request({ hostname, port, path: raw, headers }, answer => {
      answer.resume()
      resolve(answer.statusCode!)
    })
      .once('error', reject)
      .end()
  })
}

/** The file name a browser takes from `Content-Disposition`. */
function nameIn({ headers }: Page): string {
  const disposition = headers['content-disposition'] ?? ''
  assert.match(disposition, /^attachment; filename=/)
  const encoded = /filename\*=UTF-8''(\S+)$/.exec(disposition)?.[1]
  return encoded ? decodeURIComponent(encoded) : (/filename="?([^"]*)"?$/.exec(disposition)?.[1] ?? '')
}

const storedAt = (name: string) => path.join(app.config.dataDirectory, 'assets', name.slice(0, 2), name)
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')
