import { setImmediate as immediately } from 'node:timers/promises'
import pg from 'pg'
import { z } from 'zod'
import type { Db } from './db.ts'

/** As the driver gives it in `rowMode: 'array'`. */
export type Result = { fields: { name: string }[]; rows: unknown[][]; rowCount: number | null; command: string }
export type Query = (sql: string, params?: readonly unknown[]) => Promise<Result>

/** Parsed before others have their turn. */
const ROWS_AT_ONCE = 500

/** What is asked of a connection, rows parsed by their schema. */
export function statements(query: Query): Omit<Db, 'transaction'> {
  async function many<T>(schema: z.ZodType<T>, sql: string, params?: readonly unknown[]): Promise<T[]> {
    const result = await query(sql, params)
    const names = result.fields.map(field => camelCase(field.name))
    const parsed: T[] = []
    for (const [index, values] of result.rows.entries()) {
      // Thousands of rows take as long as a page may take.
      if (index % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await immediately()
      parsed.push(parseRow(schema, names, values, sql))
    }
    return parsed
  }

  async function maybeOne<T>(schema: z.ZodType<T>, sql: string, params?: readonly unknown[]): Promise<T | null> {
    const rows = await many(schema, sql, params)
    if (rows.length > 1) throw new Error(`at most one row was expected, ${rows.length} came: ${shorten(sql)}`)
    return rows[0] ?? null
  }

  return {
    many,
    maybeOne,
    async one(schema, sql, params) {
      const rows = await many(schema, sql, params)
      if (rows.length !== 1) throw new Error(`one row was expected, ${rows.length} came: ${shorten(sql)}`)
      return rows[0]!
    },
    async run(sql, params) {
      return (await query(sql, params)).rowCount ?? 0
    },
    async executeSql(text, values) {
      const { fields, rows } = await query(text, values)
      return { rows: rows.map(values => Object.fromEntries(fields.map((field, i) => [field.name, values[i]]))) }
    },
  }
}

function parseRow<T>(schema: z.ZodType<T>, names: string[], values: unknown[], sql: string): T {
  const row: Record<string, unknown> = {}
  for (let i = 0; i < names.length; i++) row[names[i]!] = values[i]
  const parsed = schema.safeParse(row)
  if (parsed.success) return parsed.data
  // Not a ZodError: those are answered as the caller's bad input, and a row that does not fit is our bug.
  throw new Error(`a row does not fit its schema: ${z.prettifyError(parsed.error)}\n${shorten(sql)}`)
}

const { builtins } = pg.types

const ownParsers: Partial<Record<number, (text: string) => unknown>> = {
  [builtins.INT8]: safeInteger,
  // pg's own parser turns a calendar day into midnight in the time zone of this process.
  [builtins.DATE]: text => text,
}

/** For the driver: how a value becomes what `Db` says. */
export function getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  const standard: (text: string) => unknown = pg.types.getTypeParser(oid, format)
  return ownParsers[oid] ?? standard
}

function safeInteger(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new RangeError(`the int8 ${text} does not fit a JavaScript number`)
  return number
}

const camelCased = new Map<string, string>()

function camelCase(column: string): string {
  let name = camelCased.get(column)
  if (name === undefined) {
    name = column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    camelCased.set(column, name)
  }
  return name
}

function shorten(sql: string): string {
  return sql.trim().replace(/\s+/g, ' ').slice(0, 200)
}
