import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { openBrowser } from '../testing/browser.ts'
import { say } from '../testing/conversations.ts'
import { atEnd } from '../testing/database.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
// More than the buffers of both ends of a connection hold.
const MUCH = 16 * 1024 * 1024

test('a stalled reader whose sign-in ends elsewhere is cut off, and the process goes on', async () => {
  const { url, machine } = await startWith({ keepAliveSeconds: 0.1, stalledSeconds: 2, checkSignInSeconds: 0.1 })
  const person = await alice(app)
  await stallOn(url, person)
  assert.equal(await openStreams(machine), 1)

  assert.equal((await person.post('/logout')).status, 303)

  await until('the stream to be gone', async () => (await openStreams(machine)) === 0)
  assert.equal((await machine.get('/health')).status, 200)
})

test('a stream that nobody reads is cut off, and one that is read goes on', async () => {
  const { url, machine } = await startWith({ keepAliveSeconds: 0.1, stalledSeconds: 3, checkSignInSeconds: 60 })
  const person = await alice(app)
  await stallOn(url, person)
  // Not as much: a busy machine is no stalled reader.
  const reader = await stallOn(url, await signedIn(app, person.email), MUCH / 16)
  reader.resume()
  assert.equal(await openStreams(machine), 2)

  await until('one of them to be gone', async () => (await openStreams(machine)) === 1)

  assert.equal(reader.destroyed, false)
  let heard = 0
  reader.on('data', (chunk: Buffer) => {
    heard += chunk.length
  })
  await until('another sign of life', async () => heard > 0)
})

async function startWith(streams: typeof app.config.streams) {
  const TEST_CONFIG = JSON.stringify({ ...app.config, role: 'web', streams })
  const { url } = await startProcess(app, { TEST_CONFIG }, 'process-main.ts')
  return { url, machine: openBrowser(url, () => {}) }
}

/** Follows a conversation of which there is much to tell, and stops reading when the first of it comes. */
async function stallOn(url: string, person: Person, much = MUCH): Promise<Socket> {
  const conversation = await say(person, 'Good morning')
  await app.db.run(`update chat_messages set text = repeat('x', $2) where conversation_id = $1 and role = 'user'`, [
    conversation,
    much,
  ])
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  atEnd(async () => void socket.destroy())
  const cookie = `Cookie: sid=${person.cookie('sid')}`
  socket.write(`GET /chat/${conversation}/events HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${cookie}\r\n\r\n`)
  const closed = once(socket, 'close')
  while (socket.bytesRead < 64 * 1024) {
    await Promise.race([once(socket, 'data'), closed])
    assert.equal(socket.closed, false, 'the stream ended before there was much of it')
  }
  return socket.pause()
}

async function openStreams(machine: ReturnType<typeof openBrowser>): Promise<number> {
  const { text } = await machine.get('/metrics')
  return Number(/^playground_event_streams (\d+)/m.exec(text)?.[1])
}
