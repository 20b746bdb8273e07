import { parse as parseQuery } from 'node:querystring'
import express, { type RequestHandler } from 'express'
import { storableFields } from '../db/storable.ts'
import { Refusal } from './errors.ts'

const FORM_LIMIT = '512kb'

/** The parser of every query: what comes once is a text, what comes several times a list. */
export function readQuery(query: string): Record<string, unknown> {
  return storableFields(parseQuery(query))
}

/** No address has a NUL in it, and no row that could be looked for by a part of one. */
export const refuseNul: RequestHandler = (req, _res, next) => {
  if (/%00/.test(req.path)) throw new Refusal(404, 'errors.not_found')
  next()
}

/** Reads an ordinary form into `req.body`; one with files is read where they are accepted. */
export function acceptForm(): RequestHandler[] {
  const read = express.urlencoded({ extended: false, limit: FORM_LIMIT, parameterLimit: 100 })
  return [
    read,
    (req, _res, next) => {
      if (req.body) storableFields(req.body as Record<string, unknown>)
      next()
    },
  ]
}
