import type { Parameter } from '../account/honours.ts'
import { setHonours } from '../account/queries.ts'
import type { Db } from '../db/db.ts'
import type { ReceiptCopy } from './copy-queries.ts'
import { type Habit, listHabits, upsertHabit } from './honour-queries.ts'
import { shownOf } from './judge.ts'

/** What one call showed of a parameter that it was asked with. */
interface Sample {
  parameter: Parameter
  /** As asked, changed to something else, or as if it had not been asked for. */
  letter: 'h' | 'c' | 'i'
  asked: string
  came: string
}

const FEWEST = 3
const TO_WARN = 3
const TO_TRUST = 5
const SAME_SHAPE = 0.03

/**
 * Learns from calls that have just been settled what their keys make of what they are asked, in the transaction that
 * settles them, which alone does so for this person: each is counted once.
 */
export async function learnHonours(tx: Db, userId: number, receipts: readonly ReceiptCopy[]): Promise<void> {
  const learnt = receipts.flatMap(receipt => samplesOf(receipt).map(sample => ({ receipt, sample })))
  if (learnt.length === 0) return
  const habits = new Map((await listHabits(tx, userId)).map(habit => [nameOf(habit), habit]))
  const before = wordOf(habits)
  const changed = new Set<string>()
  for (const { receipt, sample } of learnt) {
    const { keyId, keyGroup, model, calledAt } = receipt
    if (keyId === null) continue
    const of = { keyId, keyGroup: keyGroup ?? '', model, parameter: sample.parameter }
    const name = nameOf(of)
    const known = habits.get(name) ?? { ...of, ...unknown, since: calledAt }
    habits.set(name, after(known, sample, calledAt))
    changed.add(name)
  }
  for (const name of changed) await upsertHabit(tx, userId, habits.get(name)!)
  if (wordOf(habits) !== before) await setHonours(tx, userId, knownOf(habits))
}

const unknown = { samples: 0, recent: '', verdict: 'unknown' as const, asked: '', came: '' }

/** Three in a row that came otherwise make a warning, and five in a row as asked take it back. */
function after(habit: Habit, { letter, asked, came }: Sample, at: Date): Habit {
  const recent = (habit.recent + letter).slice(-TO_TRUST)
  const samples = habit.samples + 1
  const verdict = samples < FEWEST ? 'unknown' : verdictOf(recent, habit.verdict)
  return {
    ...habit,
    samples,
    recent,
    verdict,
    since: verdict === habit.verdict ? habit.since : at,
    ...(letter !== 'h' && { asked, came }),
  }
}

function verdictOf(recent: string, before: Habit['verdict']): Habit['verdict'] {
  const last = recent.slice(-TO_WARN)
  const isIgnored = last.replaceAll('c', '').length * 2 > TO_WARN
  if (!last.includes('h')) return isIgnored ? 'ignored' : 'changed'
  if (before !== 'unknown' && recent !== 'h'.repeat(TO_TRUST)) return before
  const asAsked = recent.replaceAll(/[ci]/g, '').length
  if (asAsked * 2 > recent.length) return 'honoured'
  return recent.includes('i') ? 'ignored' : 'changed'
}

/** Of a call that came to its end and was charged; what was left to the model, or cannot be told, proves nothing. */
function samplesOf(receipt: ReceiptCopy): Sample[] {
  const { asked, kind, charged, reason, previewsCame } = receipt
  const shown = shownOf(receipt) ?? []
  if (kind !== 'picture' || charged !== 'yes' || reason !== null || shown.length === 0) return []
  const samples: Sample[] = []
  const add = (parameter: Parameter, letter: Sample['letter'], was: unknown, came: string) =>
    samples.push({ parameter, letter, asked: String(was), came })

  const other = shown.find(({ width, height }) => `${width}x${height}` !== asked.size)
  const [, wide, high] = /^(\d+)x(\d+)$/.exec(String(asked.size)) ?? []
  if (wide && high) {
    const shape = other ? other.width / other.height / (Number(wide) / Number(high)) : 1
    const letter = !other ? 'h' : Math.abs(shape - 1) <= SAME_SHAPE ? 'c' : 'i'
    add('size', letter, asked.size, other ? `${other.width}x${other.height}` : String(asked.size))
  }
  if (typeof asked.n === 'number' && asked.n > 1) {
    const letter = shown.length === asked.n ? 'h' : shown.length === 1 ? 'i' : 'c'
    add('n', letter, asked.n, String(shown.length))
  }
  const format = shown.find(each => each.format !== asked.format)?.format
  // That a PNG came where one was asked for proves nothing: it comes unasked, too.
  if (format !== undefined) add('format', format === 'png' ? 'i' : 'c', asked.format, format)
  else if (asked.format !== 'png') add('format', 'h', asked.format, String(asked.format))
  for (const parameter of ['quality', 'background'] as const) {
    const told = shown.map(each => each[parameter]).find(each => typeof each === 'string')
    if (typeof told !== 'string' || asked[parameter] === 'auto' || asked[parameter] === undefined) continue
    add(parameter, told === asked[parameter] ? 'h' : told === 'auto' ? 'i' : 'c', asked[parameter], told)
  }
  if (typeof asked.previews === 'number' && asked.previews > 0 && previewsCame !== null)
    add('previews', previewsCame > 0 ? 'h' : 'i', asked.previews, String(previewsCame))
  return samples
}

function nameOf({
  keyId,
  keyGroup,
  model,
  parameter,
}: Omit<Habit, 'verdict' | keyof typeof unknown | 'since'>): string {
  return JSON.stringify([keyId, keyGroup, model, parameter])
}

function knownOf(habits: ReadonlyMap<string, Habit>) {
  return [...habits.values()].flatMap(({ verdict, samples: _samples, recent: _recent, ...habit }) =>
    verdict === 'unknown' ? [] : [{ ...habit, verdict }],
  )
}

/** The same as long as no verdict has changed. */
function wordOf(habits: ReadonlyMap<string, Habit>): string {
  return [...habits].map(([name, { verdict }]) => (verdict === 'unknown' ? '' : `${name} ${verdict}`)).join()
}
