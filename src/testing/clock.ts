/** With the clock of this process set by that much. */
export async function hoursOff<T>(hours: number, work: () => Promise<T>): Promise<T> {
  const Clock = Date
  const now = () => Clock.now() + hours * 3_600_000
  globalThis.Date = class extends Clock {
    static override now = now

    constructor(...of: [] | [number]) {
      super(of[0] ?? now())
    }
  } as DateConstructor
  try {
    return await work()
  } finally {
    globalThis.Date = Clock
  }
}
