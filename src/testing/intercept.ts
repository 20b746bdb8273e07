import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

export interface Asked {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: Buffer
}

interface Answered {
  status: number
  headers?: Record<string, string>
  body?: Buffer | string
  /** Destroy the connection after so many bytes of the body. */
  cutAfter?: number
}

/**
 * A reverse proxy before `target` that may answer by itself, change answers or drop the connection (null), and
 * remembers what it was asked. Closed after the test.
 */
export async function intercept(
  t: TestContext,
  target: string,
  act: (asked: Asked, forward: () => Promise<Answered>) => Promise<Answered | null> | Answered | null,
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((req, res) => void answer(req, res))

  async function answer(req: IncomingMessage, res: ServerResponse) {
    const request = { method: req.method ?? '', path: req.url ?? '', headers: req.headers, body: await buffer(req) }
    asked.push(request)
    const answered = await act(request, () => forwardTo(target, request))
    if (!answered) return void res.destroy()
    const body = Buffer.from(answered.body ?? '')
    res.writeHead(answered.status, { ...answered.headers, 'Content-Length': body.length })
    if (answered.cutAfter === undefined) return void res.end(body)
    res.write(body.subarray(0, answered.cutAfter), () => res.destroy())
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

async function forwardTo(target: string, { method, path, headers, body }: Asked): Promise<Answered> {
  const passed = Object.entries(headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name))
  const response = await fetch(target + path, {
    method,
    headers: passed.map(([name, value]) => [name, String(value)]),
    ...(body.length > 0 && { body: new Uint8Array(body) }),
    redirect: 'manual',
  })
  const kept = [...response.headers].filter(([name]) => /^(content-type|retry-after|location)$/.test(name))
  return {
    status: response.status,
    headers: Object.fromEntries(kept),
    body: Buffer.from(await response.arrayBuffer()),
  }
}
