const SAMPLES = 20

type Kind = 'conversations' | 'pictures' | 'exhibits' | 'likes' | 'keys'

interface Count {
  taken: number
  /** From an earlier run, or the same bytes. */
  there: number
  left: number
}

/** What was taken and what was not, and why. */
export interface Report {
  counts: Record<Kind, Count>
  /** How many there are of each reason, and some of them. */
  reasons: Record<string, { count: number; some: string[] }>
  taken(kind: Kind): void
  there(kind: Kind): void
  left(kind: Kind, why: string, which: string): void
  /** Something of what was taken is not. */
  note(why: string, which: string): void
}

export function createReport(): Report {
  const count = (): Count => ({ taken: 0, there: 0, left: 0 })
  const report: Report = {
    counts: { conversations: count(), pictures: count(), exhibits: count(), likes: count(), keys: count() },
    reasons: {},
    taken: kind => void report.counts[kind].taken++,
    there: kind => void report.counts[kind].there++,
    left(kind, why, which) {
      report.counts[kind].left++
      report.note(`${kind}: ${why}`, which)
    },
    note(why, which) {
      const reason = report.reasons[why] ?? { count: 0, some: [] }
      report.reasons[why] = reason
      reason.count++
      if (reason.some.length < SAMPLES) reason.some.push(which)
    },
  }
  return report
}
