import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { findUnreachable } from './reach.ts'

test('of a gateway that takes connections nothing is said', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  assert.equal(await findUnreachable(`http://127.0.0.1:${port}/base`, true), null)
  server.close()
  await once(server, 'close')
  const found = await findUnreachable(`http://127.0.0.1:${port}/base`, false)
  assert.match(found!.detail, /takes no connection: ECONNREFUSED/)
  assert.match(found!.todo, /start the gateway, or mend SUB2API_UPSTREAM/)
})

test('within a container an address of the machine itself is named as what is wrong', async () => {
  for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
    const found = await findUnreachable(`http://${host}:1`, true)
    assert.match(found!.todo, /is this container itself.*docker-compose\.example\.yml/, host)
  }
  const found = await findUnreachable('http://host.docker.internal:1', true)
  assert.match(found!.todo, /listens on 127\.0\.0\.1 of the host/)
})
