import type { Request } from 'express'
import type { z } from 'zod'
import { parseStorable } from '../db/storable.ts'
import { readText } from './body.ts'
import { Problem } from './problem.ts'
import { badShape } from './task-request.ts'

const LONGEST_BODY = 128 * 1024

/** A small JSON body by `schema`. Throws `Problem` 400 and 413. */
export async function readJson<T>(req: Request, schema: z.ZodType<T>): Promise<T> {
  const text = await readText(req, LONGEST_BODY)
  let content: unknown
  try {
    content = parseStorable(text.replace(/^\ufeff/, ''))
  } catch {
    throw new Problem(400, 'invalid_request', 'agents.invalid.json')
  }
  const parsed = schema.safeParse(content)
  if (!parsed.success) throw badShape(parsed.error)
  return parsed.data
}
