import type { Deps } from '../deps.ts'

/** What looking after rows and bytes takes; no gateway. */
export type UpkeepDeps = Pick<Deps, 'db' | 'storage' | 'config' | 'log' | 'sealer' | 'stopping'>

/**
 * What a room does once an hour, in one process, by name; each answers how many rows or files it was. What goes on item by
 * item ends at the next one when the process is stopping: the rest is done the next time.
 */
export type Upkeep = Record<string, () => Promise<number>>

/** For how many days what was put into the trash can be brought back. */
export const TRASH_DAYS = 30
