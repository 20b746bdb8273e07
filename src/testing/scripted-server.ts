import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
  type ImageEvent,
  type ImageOptions,
} from '../gateway/client.ts'
import { Secret } from '../secrets/secret.ts'

/** A server for one test that does exactly what the test says; and a gateway client pointed at it. For tests only. */
export async function scriptedServer(t: TestContext, listener: RequestListener, options: Partial<GatewayOptions> = {}) {
  const requests: { req: IncomingMessage; body: string }[] = []
  let connections = 0
  const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => void take(req, res))
  server.on('connection', () => connections++)
  async function take(req: IncomingMessage, res: ServerResponse) {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    requests.push({ req, body: Buffer.concat(chunks).toString() })
    listener(req, res)
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const gateway = createGateway({ upstream: url, ...options })
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await gateway.close()
  })
  return { url, gateway, server, requests, connections: () => connections }
}

export const caller = { address: '203.0.113.9', userAgent: 'playground-test/1' }
export const apiKey = new Secret(`sk-${'0f'.repeat(32)}`)
export const request = { model: 'gpt-image-2', prompt: 'a cat' }

/** Starts a picture call and gathers what it gives; `error` is what it threw at the end, or null. */
export async function gather(gateway: Gateway, options: Partial<ImageOptions & { n: number }> = {}) {
  const { n, ...rest } = options
  const events: ImageEvent[] = []
  const asked = { ...request, ...(n !== undefined && { n }) }
  const signal = new AbortController().signal
  try {
    const call = gateway.generateImage(caller, apiKey, asked, { signal, stream: true, ...rest })
    for await (const event of call) events.push(event)
    return { events, error: null }
  } catch (error) {
    return { events, error }
  }
}

export function completedOf(events: ImageEvent[]) {
  return events.filter(event => event.type === 'completed')
}
