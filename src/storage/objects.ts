import type { Readable } from 'node:stream'

/** The bytes of an object: in memory, or a stream or a file of exactly `size` bytes. */
export type ObjectBody = Uint8Array | { stream: Readable; size: number } | { file: string; size: number }

const objectName = /^[A-Za-z0-9_-]{8,128}(\.[A-Za-z0-9_-]{1,16})?$/

export function isObjectName(name: string): boolean {
  return objectName.test(name)
}

/** Throws a TypeError unless `name` is 8–128 of `A-Z a-z 0-9 _ -` with at most one `.suffix`: no path can be one. */
export function assertObjectName(name: string): void {
  if (!isObjectName(name)) throw new TypeError(`not an object name: ${JSON.stringify(name.slice(0, 160))}`)
}

/**
 * The chunks of `body.stream`, which end in an error unless they are exactly `body.size` bytes. `failure()` is the
 * error of the source, if that is what stopped it: the sender broke, not the medium.
 */
export function exactly(body: { stream: Readable; size: number }) {
  let failure: Error | null = null

  async function* chunks(): AsyncGenerator<Uint8Array> {
    let seen = 0
    try {
      for await (const chunk of body.stream as AsyncIterable<Uint8Array>) {
        seen += chunk.length
        if (seen > body.size) throw new RangeError(`more than the ${body.size} bytes announced`)
        yield chunk
      }
      if (seen < body.size) throw new RangeError(`${seen} bytes instead of the ${body.size} announced`)
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      throw failure
    }
  }

  return { chunks, failure: (): Error | null => failure }
}
