import { parse as parseQuery } from 'node:querystring'
import express, { type Request, type RequestHandler, type Response } from 'express'
import { storableFields } from '../db/storable.ts'
import { Refusal } from './errors.ts'

/** Of strangers, who sign in. */
const SMALL_FORM = '64kb'
/** More than any field may hold, in letters that take twelve bytes each: a field that is too long is told its own limit. */
const FORM = '4mb'

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
export function acceptForm(isKnown: (req: Request, res: Response) => boolean): RequestHandler[] {
  const parser = (limit: string) => express.urlencoded({ extended: false, limit, parameterLimit: 100 })
  const [read, readSmall] = [parser(FORM), parser(SMALL_FORM)]
  return [
    (req, res, next) => (isKnown(req, res) ? read : readSmall)(req, res, next),
    (req, _res, next) => {
      if (req.body) storableFields(req.body as Record<string, unknown>)
      next()
    },
  ]
}
