/** Runs what it is given, one at a time. People who wait come by turns, however much each of them wants. */
export function byTurns() {
  const waiting = new Map<number, (() => void)[]>()
  let busy = false

  function callNext() {
    const [next] = waiting
    busy = next !== undefined
    if (!next) return
    const [who, [resume, ...later]] = next
    waiting.delete(who)
    if (later.length > 0) waiting.set(who, later)
    resume!()
  }

  return async function run<T>(who: number, work: () => Promise<T>): Promise<T> {
    if (busy) await new Promise<void>(resume => waiting.set(who, [...(waiting.get(who) ?? []), resume]))
    busy = true
    try {
      return await work()
    } finally {
      callNext()
    }
  }
}
