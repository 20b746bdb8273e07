import type { Request, Response } from 'express'

/** One open `text/event-stream` (WHATWG HTML §9.2). */
export interface EventStream {
  /** The browser was here before and lost the connection. */
  readonly again: boolean
  readonly closed: boolean
  /** Named events become DOM events in the page; unnamed ones are fragments to swap in. */
  send(data: string, event?: string): void
  /** Resolves when what was sent has left this process: a slow reader is not written ahead of. */
  drained(): Promise<void>
  onClose(done: () => void): void
  end(): void
}

/** The open streams of this process: so that each person has a bounded number, and all end when the process does. */
export interface EventStreams {
  /** Null when `who` has too many open already. */
  open(req: Request, res: Response, who: string): EventStream | null
  endAll(): void
}

const MOST_PER_PERSON = 24
const KEEP_ALIVE_MS = 20_000

export function createEventStreams(): EventStreams {
  const open = new Map<string, Set<EventStream>>()
  return {
    open(req, res, who) {
      const mine = open.get(who) ?? new Set()
      if (mine.size >= MOST_PER_PERSON) return null
      const stream = openEventStream(req, res)
      open.set(who, mine.add(stream))
      stream.onClose(() => {
        mine.delete(stream)
        if (mine.size === 0) open.delete(who)
      })
      return stream
    },
    endAll() {
      for (const streams of open.values()) for (const stream of streams) stream.end()
    },
  }
}

function openEventStream(req: Request, res: Response): EventStream {
  res.status(200).set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    // no-transform keeps compression, ours and a proxy's, from holding events back.
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  })
  // The id comes back as Last-Event-ID from a browser that connects again.
  res.write('id:1\nevent:hello\ndata:\n\n')
  req.socket.setNoDelay(true)
  const timer = setInterval(() => res.write(':\n\n'), KEEP_ALIVE_MS)
  res.on('close', () => clearInterval(timer))
  return {
    again: req.get('Last-Event-ID') !== undefined,
    get closed() {
      return res.closed || res.writableEnded
    },
    send(data, event) {
      if (!res.writableEnded) res.write(frame(data, event))
    },
    async drained() {
      if (!res.writableNeedDrain || res.closed) return
      await new Promise<void>(resolve => {
        const go = () => {
          res.off('drain', go).off('close', go)
          resolve()
        }
        res.on('drain', go).on('close', go)
      })
    },
    onClose: done => void res.on('close', done),
    end: () => void res.end(),
  }
}

/** The shortest way to write it: one space after the colon is dropped by readers, so text that begins with one gets another. */
function frame(data: string, event?: string): string {
  const lines = data.split(/\r\n|\r|\n/).map(line => `data:${line.startsWith(' ') ? ' ' : ''}${line}\n`)
  return `${event ? `event:${event}\n` : ''}${lines.join('')}\n`
}
