import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const QUIET_MS = 40
const REMEMBERED = 100_000

/** Stands between an app and its Postgres, and counts what is asked. */
export interface StatementCounter {
  /** Of the database, by way of this one. */
  url: string
  /** Statements since the last call. */
  take(): number
  /** Whether these words have been asked since the last call of `take`. */
  heard(words: string): boolean
  /** Waits until nothing has been asked for a moment: what follows an answer is done. */
  quiet(): Promise<void>
  close(): void
}

/** Counts messages Query and Parse or, of what is prepared, Bind (Postgres manual, 54.7). */
export async function countStatements(databaseUrl: string): Promise<StatementCounter> {
  const target = addressOf(new URL(databaseUrl))
  const sockets = new Set<Socket>()
  let count = 0
  let askedAt = 0
  let asked = Buffer.alloc(0)
  const server = createServer(app => {
    const postgres = connect(target)
    for (const socket of [app, postgres]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        app.destroy()
        postgres.destroy()
        sockets.delete(socket)
      })
    }
    const read = messageReader(type => {
      askedAt = performance.now()
      if (type === 'Q' || type === 'B') count++
    })
    app.on('data', (chunk: Buffer) => {
      asked = Buffer.concat([asked, chunk]).subarray(-REMEMBERED)
      read(chunk)
      postgres.write(chunk)
    })
    postgres.pipe(app)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { username, searchParams, pathname } = new URL(databaseUrl)
  const user = username || searchParams.get('user') || ''
  return {
    url: `postgres://${user}@127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    take() {
      const taken = count
      count = 0
      asked = Buffer.alloc(0)
      return taken
    },
    heard: words => asked.includes(words),
    async quiet() {
      while (performance.now() - askedAt < QUIET_MS) await delay(5)
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Of a server that trusts its machine, by port or by socket. */
function addressOf({ hostname, port, searchParams }: URL): { path: string } | { host: string; port: number } {
  const folder = searchParams.get('host')
  if (folder) return { path: path.join(folder, `.s.PGSQL.${searchParams.get('port') ?? 5432}`) }
  return { host: hostname, port: Number(port) }
}

/** Type and length, which counts itself but not the type, then the rest; the first message of a connection has no type. */
function messageReader(heard: (type: string) => void): (chunk: Buffer) => void {
  let head = Buffer.alloc(0)
  let skip = 0
  let isFirst = true
  return chunk => {
    let at = 0
    while (at < chunk.length) {
      if (skip > 0) {
        const step = Math.min(skip, chunk.length - at)
        skip -= step
        at += step
        continue
      }
      const wanted = isFirst ? 4 : 5
      const part = chunk.subarray(at, at + wanted - head.length)
      head = Buffer.concat([head, part])
      at += part.length
      if (head.length < wanted) return
      const length = head.readUInt32BE(wanted - 4)
      if (!isFirst) heard(String.fromCharCode(head[0]!))
      // An SSL request is eight bytes, after which the first message comes again.
      isFirst = isFirst && length === 8
      skip = length - 4
      head = Buffer.alloc(0)
    }
  }
}
