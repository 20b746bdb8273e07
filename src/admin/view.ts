import type { Act } from '../operators/act-queries.ts'

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
