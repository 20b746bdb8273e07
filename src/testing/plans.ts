import pg from 'pg'
import type { TestApp } from './server.ts'

/** What was asked during `work` of what `about` names, and how the database would go about it. */
export async function plansOf(
  { db }: TestApp,
  about: RegExp,
  work: () => Promise<void>,
): Promise<{ sql: string; plan: string }[]> {
  const asked: { text: string; values: unknown[] }[] = []
  const hears = pg.Client.prototype
  const send = hears.query as (...args: unknown[]) => unknown
  hears.query = function (this: pg.Client, ...args: unknown[]) {
    const { text, values = [] } = (args[0] ?? {}) as { text?: string; values?: unknown[] }
    if (text && about.test(text)) asked.push({ text, values })
    return send.apply(this, args)
  } as typeof hears.query
  try {
    await work()
  } finally {
    hears.query = send as typeof hears.query
  }
  return Promise.all(
    asked.map(async ({ text, values }) => {
      const { rows } = await db.pool.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
      return { sql: text, plan: rows.map(row => row['QUERY PLAN']).join('\n') }
    }),
  )
}
