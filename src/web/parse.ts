import type { Request } from 'express'
import { z } from 'zod'
import { Refusal } from './errors.ts'
import type { Key } from './i18n.ts'
import { characters } from './text.ts'

/** Reads `input` by `schema`; a mismatch is a 400 for a machine-made request that no person can correct in a form. */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input ?? {})
  if (!result.success) throw new Refusal(400, 'errors.bad_request')
  return result.data
}

/**
 * A field of a form, or of a file, that is not among those it is known to have; null when there is none. What costs money
 * must not leave it out: it would pay for something else than was asked.
 */
export function unknownField(req: Request, known: readonly string[]): string | null {
  const files = Array.isArray(req.files) ? req.files.map(file => file.fieldname) : []
  const names = [...Object.keys((req.body ?? {}) as object), ...files]
  return names.find(name => !known.includes(name))?.slice(0, 50) ?? null
}

/** Throws `Refusal` 422 where there is no form to show again. */
export function refuseUnknownFields(req: Request, known: readonly string[]): void {
  const field = unknownField(req, known)
  if (field !== null) throw new Refusal(422, 'errors.unknown_field', { field })
}

/** A text that people write, of at most `limit` characters. Throws `Refusal` 422 that counts them by the words of `key`, and 400 without one. */
export function readText(body: unknown, name: string, limit: number, key: Key = 'errors.too_long'): string {
  const text = parse(z.looseObject({ [name]: z.string() }), body)[name] as string
  const plain = text.replace(/\r\n?/g, '\n').trim()
  const count = characters(plain)
  if (count > limit) throw new Refusal(422, key, { count, limit })
  return plain
}

/** A UUID from the path; anything else is an address that does not exist. */
export function parseId(value: unknown): string {
  const result = z.guid().safeParse(value)
  if (!result.success) throw new Refusal(404, 'errors.not_found')
  return result.data.toLowerCase()
}

/** A path of this site to go back to; anything that could lead elsewhere becomes `fallback`. */
export function localPath(value: unknown, fallback: string): string {
  if (typeof value !== 'string' || !value.startsWith('/') || value.length > 2000) return fallback
  const url = URL.parse(value, 'http://here.invalid')
  // `/.//elsewhere.example` is a path of ours until its dots are gone: then a browser reads a host in it.
  if (url?.host !== 'here.invalid' || url.pathname.startsWith('//')) return fallback
  return url.pathname + url.search
}
