import type { Storage } from './storage.ts'

export interface CopyLog {
  warn(details: { err: unknown }, message: string): void
}

/**
 * `truth` with copies in `copy`, which are read first. A copy that cannot be written or read is logged and the truth
 * serves. Copies on other machines do not hear of a rewrite or a deletion: give each content a name of its own, or keep no copies of it.
 */
export function openMirror(truth: Storage, copy: Storage, log: CopyLog): Storage {
  const orNull = async <T>(work: Promise<T>, mayGoOn = () => true): Promise<T | null> => {
    try {
      return await work
    } catch (err) {
      if (err instanceof TypeError || !mayGoOn()) throw err // not an object name, or half of it is used up
      log.warn({ err }, 'a local copy of an object failed')
      return null
    }
  }

  return {
    async put(name, bytes, options) {
      // The old copy goes first: if the new one cannot be kept, readers must not find the old.
      if (await orNull(copy.head(name))) await copy.delete(name)
      await truth.put(name, bytes, options)
      if (options.withoutCopies) return
      const again = 'stream' in bytes ? await orNull(truth.open(name)) : bytes
      if (again) await orNull(copy.put(name, again, options))
    },

    open: async (name, range) => (await orNull(copy.open(name, range))) ?? truth.open(name, range),
    async take(name, take, range) {
      let isBegun = false
      const taken = copy.take(
        name,
        piece => {
          isBegun = true
          return take(piece)
        },
        range,
      )
      const size = await orNull(taken, () => !isBegun)
      return size ?? truth.take(name, take, range)
    },
    read: async name => (await orNull(copy.read(name))) ?? truth.read(name),
    head: async name => (await orNull(copy.head(name))) ?? truth.head(name),
    onlyInBucket: async name => (await orNull(copy.head(name))) === null,

    list: () => truth.list(),

    async delete(name) {
      await copy.delete(name)
      await truth.delete(name)
    },

    ready: () => truth.ready(),
    isProven: () => truth.isProven(),
    sweepTemporary: (olderThanMs, stopping) => copy.sweepTemporary(olderThanMs, stopping),

    async close() {
      await copy.close()
      await truth.close()
    },
  }
}
