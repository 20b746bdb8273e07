import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** In every window so many bytes of a body have to arrive. */
export interface BodyPace {
  windowSeconds: number
  leastBytes: number
}

const TIMED_OUT = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/**
 * Ends requests whose body stands still, or drips: not by the clock, which would cut a long upload over a slow line, but
 * by what arrives. Node's own `requestTimeout` has to be off.
 */
export function watchBodies(server: Server, { windowSeconds, leastBytes }: BodyPace): void {
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    if (req.complete || !hasBody(req)) return
    const { socket } = req
    let seen = socket.bytesRead
    const timer = setInterval(() => {
      if (req.complete) return clearInterval(timer)
      const came = socket.bytesRead - seen
      seen = socket.bytesRead
      // What lies here unread is our own slowness.
      if (came >= leastBytes || req.readableLength > 0) return
      clearInterval(timer)
      if (!res.headersSent) socket.write(TIMED_OUT)
      socket.destroySoon()
    }, windowSeconds * 1000)
    timer.unref()
    req.once('close', () => clearInterval(timer))
  })
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
