import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { atEnd, testDatabase } from '../testing/database.ts'
import { until } from '../testing/server.ts'
import { openDatabase } from './db.ts'
import { listen } from './listen.ts'

/** Test servers listen on a Unix socket only. */
function socketOf(url: URL): string {
  return `${url.searchParams.get('host')}/.s.PGSQL.${url.searchParams.get('port')}`
}

/** What a balancer does that forgets a connection: neither end hears of it, and nothing passes any more. */
async function startForgetfulProxy(target: string) {
  const pairs: { client: Socket; server: Socket; silent: boolean }[] = []
  const proxy = createServer(client => {
    const server = connect(target)
    const pair = { client, server, silent: false }
    pairs.push(pair)
    client.on('data', chunk => pair.silent || server.write(chunk))
    server.on('data', chunk => pair.silent || client.write(chunk))
    for (const socket of [client, server]) {
      socket.on('error', () => {})
      socket.on('close', () => {
        if (pair.silent) return
        client.destroy()
        server.destroy()
      })
    }
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  atEnd(async () => {
    for (const { client, server } of pairs) for (const socket of [client, server]) socket.destroy()
    proxy.close()
  })
  return {
    port: (proxy.address() as AddressInfo).port,
    forget() {
      for (const pair of pairs) pair.silent = true
    },
  }
}

test('a connection that has fallen silent is noticed and made anew, and whoever listens may look for what they missed', async () => {
  const database = await testDatabase()
  const url = new URL(database.url)
  const proxy = await startForgetfulProxy(socketOf(url))
  url.searchParams.set('host', '127.0.0.1')
  url.searchParams.set('port', String(proxy.port))
  const db = openDatabase({ url: url.href, max: 1 })
  atEnd(() => db.close())
  const listener = listen(db, ['news'], () => {}, { everyMs: 50, patienceMs: 500 })
  atEnd(() => listener.close())
  const heard: (string | null)[] = []
  listener.on('a', payload => heard.push(payload))
  const tell = (payload: string) => database.run(`select pg_notify('news', $1)`, [payload])
  await until('the first connection', async () => heard.length === 1)
  await tell('a one')
  await until('the news', async () => heard.at(-1) === 'a one')

  proxy.forget()
  await tell('a missed')
  await until('another connection', async () => heard.at(-1) === null)
  await tell('a two')
  await until('the news again', async () => heard.at(-1) === 'a two')
  assert.deepEqual(heard, [null, 'a one', null, 'a two'])
})
