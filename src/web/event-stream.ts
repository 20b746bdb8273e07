import type { Request, Response } from 'express'
import type { Gauge } from 'prom-client'
import type { Config } from '../config.ts'

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

export function createEventStreams(times: Config['streams'], count: Gauge): EventStreams {
  const open = new Map<string, Set<EventStream>>()
  return {
    open(req, res, who) {
      const mine = open.get(who) ?? new Set()
      if (mine.size >= MOST_PER_PERSON) return null
      const stream = openEventStream(req, res, times)
      open.set(who, mine.add(stream))
      count.inc()
      stream.onClose(() => {
        count.dec()
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

function openEventStream(req: Request, res: Response, times: Config['streams']): EventStream {
  res.status(200).set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    // no-transform keeps compression, ours and a proxy's, from holding events back.
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  })
  let stalled: NodeJS.Timeout | undefined
  const keepAlive = setInterval(() => write(':\n\n'), times.keepAliveSeconds * 1000)
  res.on('drain', () => {
    clearTimeout(stalled)
    stalled = undefined
  })
  res.on('close', () => {
    clearInterval(keepAlive)
    clearTimeout(stalled)
  })
  // The id comes back as Last-Event-ID from a browser that connects again.
  write('id:1\nevent:hello\ndata:\n\n')
  req.socket.setNoDelay(true)

  function write(text: string): void {
    if (!res.writableEnded && !res.write(text)) giveUpUnlessRead()
  }

  /** What a reader leaves unread is kept here: a laptop that fell asleep would hold it for as long as TCP does. */
  function giveUpUnlessRead(): void {
    // Nobody will read it, and nothing would call off the wait.
    if (res.closed) return
    stalled ??= setTimeout(() => res.destroy(), times.stalledSeconds * 1000)
  }

  return {
    again: req.get('Last-Event-ID') !== undefined,
    get closed() {
      return res.closed || res.writableEnded
    },
    send: (data, event) => write(frame(data, event)),
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
    end() {
      clearInterval(keepAlive)
      res.end()
      giveUpUnlessRead()
    },
  }
}

/** The shortest way to write it: one space after the colon is dropped by readers, so text that begins with one gets another. */
function frame(data: string, event?: string): string {
  const lines = `\n${data}`.replace(/(?:\r\n?|\n)( ?)/g, '\ndata:$1$1')
  return `${event ? `event:${event}${lines}` : lines.slice(1)}\n\n`
}
