import type { Failures, Line, Stuck, Tally } from '../images/admin-queries.ts'
import type { Act } from '../operators/act-queries.ts'
import type { Announcement, Maintenance } from '../operators/bulletin-queries.ts'
import type { Person } from '../session/admin-queries.ts'
import type { Outstanding } from '../spend/admin-queries.ts'
import type { BudgetName } from '../spend/budgets.ts'
import type { Quality, QualityOfGroup } from '../spend/quality.ts'
import type { Presence } from '../work/presence-queries.ts'

/** Somebody as operators see them; `email` is null of who has left. */
export interface PersonName {
  id: number
  email: string | null
}

export type ActView = Pick<Act, 'at' | 'act' | 'subject' | 'reason' | 'count'> & {
  /** Null: they have left. */
  by: PersonName | null
  whom: PersonName | null
}

export interface LogView {
  acts: ActView[]
  /** Only what this person did, or what was done to them. */
  who: PersonName | null
  older: string | null
}

/** What stands first. */
export interface OverviewView {
  maintenance: Maintenance | null
  queue: QueueView
  money: MoneyView
  openReports: number
  largest: PersonView[]
  /** Of the disk that this process writes to, in bytes. */
  disk: { free: number; size: number }
  processes: Presence[]
  acts: ActView[]
}

export interface BulletinView {
  /** In which moments are written here. */
  zone: string
  maintenance: Maintenance | null
  pictures: Tally
  answers: Tally
  announcements: (Announcement & { state: 'told' | 'planned' | 'over' })[]
  /** `from`, `until`: as a form writes them. */
  form: { id: string; en: string; zh: string; from: string | null; until: string | null; error: string | null }
}

export interface QueueView {
  hours: number
  pictures: Tally
  answers: Tally
  lines: (Line & { email: string | null })[]
  stuck: (Stuck & { kind: 'picture' | 'answer'; email: string | null })[]
  failures: (Failures & { kind: 'picture' | 'answer' })[]
}

/** Money is US dollars; `calls` and `unsettled` are of the month. */
export interface PersonView extends Person {
  today: number
  month: number
  calls: number
  unsettled: number
  bytes: number
  files: number
  queued: number
  running: number
}

export interface PeopleView {
  q: string
  by: 'seen' | 'storage'
  people: PersonView[]
  older: string | null
}

export interface MoneyView {
  hours: number
  /** Of more calls than were looked at. */
  isCut: boolean
  all: Quality
  groups: QualityOfGroup[]
  outstanding: Outstanding
  /** Budgets for all together. */
  ofAll: { budget: BudgetName; limit: number; spent: number; held: number }[]
  near: { userId: number; email: string | null; usd: number; period: 'day' | 'month'; limit: number }[]
}

/** How the place does, for everybody. */
export interface StatusView {
  gateway: 'there' | 'away' | 'unknown'
  /** Pictures that wait. */
  queued: number
  /** Medians of the last hours; null where nothing was asked. */
  waitSeconds: number | null
  pictureSeconds: number | null
  /** A share. */
  success: number | null
  maintenance: Maintenance | null
  at: Date
}
