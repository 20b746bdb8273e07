import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { alice } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'

const app = await testApp({ role: 'web', bodies: { windowSeconds: 0.5, leastBytes: 1000 } })
const owner = await alice(app)
// A room is loaded with its first visitor.
await owner.get('/images')
const { default: sharp } = await import('sharp')
const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const
const picture = await sharp({ create: { width: 90, height: 90, channels: 3, background: '#888', noise } })
  .png({ compressionLevel: 0 })
  .toBuffer()

/** Begins to send a picture to start from, as a browser does. */
function beginUpload(): { socket: Socket; body: Buffer } {
  const boundary = '----slow'
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n`
  const body = Buffer.concat([Buffer.from(head), picture, Buffer.from(`\r\n--${boundary}--\r\n`)])
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
  socket.write(
    `POST /images/references HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\nCookie: sid=${owner.cookie('sid')}\r\n` +
      `Content-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${body.length}\r\n\r\n`,
  )
  return { socket, body }
}

async function send(socket: Socket, body: Buffer, step: number, everyMs: number): Promise<void> {
  for (let at = 0; at < body.length && !socket.closed; at += step) {
    socket.write(body.subarray(at, at + step))
    await delay(everyMs)
  }
}

test('an upload over a slow line is taken, however long it takes, while its bytes come', async () => {
  const { socket, body } = beginUpload()
  const answer = text(socket)
  // Several windows long.
  await send(socket, body, Math.ceil(body.length / 12), 200)
  assert.match(await answer, /^HTTP\/1.1 (?:200|303) /)
})

test('an upload that stands still is ended', async () => {
  const { socket, body } = beginUpload()
  socket.write(body.subarray(0, 5000))
  assert.match(await text(socket), /^HTTP\/1.1 408 /)
})

test('an upload that drips byte by byte is ended, and the process goes on', async () => {
  const { socket, body } = beginUpload()
  socket.on('error', () => {})
  const answer = text(socket).catch(() => 'reset')
  await send(socket, body.subarray(0, 2000), 1, 10)
  assert.match(await answer, /^HTTP\/1.1 408 |^reset$/)
  assert.equal((await owner.get('/images')).status, 200)
})

test('so is a form whose body never comes', async () => {
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
  socket.write('POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n')
  socket.write('Content-Length: 20\r\n\r\nemail=')
  assert.match(await text(socket), /^HTTP\/1.1 408 /)
})
