import type { Db } from '../db/db.ts'
import { timeZoneNamed } from '../web/page.ts'
import type { Account } from './queries.ts'
import { guessTimeZone, setTimeZone } from './time-zone-queries.ts'

/** What a person can choose from. */
export const timeZones: readonly string[] = [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])]

/** In which the days and months of somebody's money are counted; `browser`: as it says itself, where nobody has chosen. */
export function zoneOf(account: Pick<Account, 'timeZone'> | null, browser = 'UTC'): string {
  return account?.timeZone ?? browser
}

/** False where neither this process nor Postgres knows a zone of that name. */
export async function chooseTimeZone(db: Db, userId: number, name: string): Promise<boolean> {
  const zone = placeNamed(name)
  return zone !== null && setTimeZone(db, userId, zone)
}

/** What the browser of a sign-in says, kept when nothing was said before. */
export async function noteTimeZone(db: Db, userId: number, name: string): Promise<void> {
  const zone = placeNamed(name)
  if (zone) await guessTimeZone(db, userId, zone)
}

/** Offsets are names here too, and Postgres reads their signs the other way round. */
function placeNamed(name: string): string | null {
  const zone = timeZoneNamed(name)
  return zone && /^[A-Z]/i.test(zone) ? zone : null
}
