import type { Tally } from '../images/admin-queries.ts'
import type { Act } from '../operators/act-queries.ts'
import type { Announcement, Maintenance } from '../operators/bulletin-queries.ts'

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
  openReports: number
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
