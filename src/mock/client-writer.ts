import { randomBytes } from 'node:crypto'
import type { Exchange } from './exchange.ts'

/**
 * Writes to a client that may be slow, or gone. Writing to one that is gone does nothing, so that the call goes on.
 * A stream that is silent for too long gets a comment.
 */
export function clientWriter({ state, res }: Exchange) {
  let timer: NodeJS.Timeout | undefined
  // A comment in the middle of an event would be part of it.
  let betweenEvents = true

  function keepAlive() {
    if (timer) return
    timer = setInterval(() => {
      if (!betweenEvents || res.destroyed || res.writableEnded) return
      openStream()
      res.write(':\n\n')
    }, state.settings.commentEveryMs)
    timer.unref()
    res.once('close', () => clearInterval(timer))
  }

  function openStream() {
    if (res.headersSent || res.destroyed) return
    addUpstreamId()
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', Connection: 'keep-alive' })
    res.flushHeaders()
  }

  /** The upstream's id comes beside the gateway's own: the header has two values. */
  function addUpstreamId() {
    const own = String(res.getHeader('X-Request-ID'))
    res.setHeader('X-Request-ID', [own, `req_${randomBytes(16).toString('hex')}`])
  }

  return {
    /** The status line goes out with the first thing that is written, or with the first comment after a silence. */
    awaitStream: keepAlive,

    startStream() {
      openStream()
      keepAlive()
    },

    startJson() {
      if (res.headersSent) return
      addUpstreamId()
      res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' })
    },

    async write(chunk: string | Buffer) {
      if (res.destroyed || res.writableEnded) return
      timer?.refresh()
      betweenEvents = typeof chunk === 'string' && chunk.endsWith('\n\n')
      if (res.write(chunk)) return
      await new Promise<void>(resolve => {
        function go() {
          res.off('drain', go)
          res.off('close', go)
          resolve()
        }
        res.on('drain', go)
        res.on('close', go)
      })
    },

    end(last = '') {
      clearInterval(timer)
      if (!res.destroyed && !res.writableEnded) res.end(last)
    },
  }
}
