import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atEnd } from './database.ts'

/** A site as the gateway's, whose page `/` has another one in a frame, and `/link` a link to it. On a host of its own: `localhost`. */
export async function menuSite(): Promise<{ origin: string; open(address: string): void }> {
  let inner = ''
  const server = createServer((req, res) => {
    const address = inner.replaceAll('&', '&amp;')
    const shown =
      req.url === '/link'
        ? `<a href="${address}" target="_blank">Open</a>`
        : `<iframe src="${address}" width="1200" height="800"></iframe>`
    res.setHeader('Content-Type', 'text/html').end(`<!doctype html><title>Gateway</title>${shown}`)
  })
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve))
  atEnd(async () => {
    server.closeAllConnections()
    server.close()
  })
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    open: address => {
      inner = address
    },
  }
}
