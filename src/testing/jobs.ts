import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Browser, Page } from './browser.ts'
import { until } from './server.ts'

const Job = z.object({
  id: z.string(),
  state: z.string(),
  size: z.string(),
  n: z.number(),
  model: z.string(),
  keySecret: z.instanceof(Buffer).nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
  notBefore: z.date().nullable(),
  calledAt: z.date().nullable(),
  requestId: z.string().nullable(),
  failureReason: z.string().nullable(),
  failureField: z.string().nullable(),
  failureDetail: z.string().nullable(),
  retryAt: z.date().nullable(),
  charged: z.string().nullable(),
  cost: z.number().nullable(),
  costUntil: z.date().nullable(),
  estimate: z.number().nullable(),
})
export type JobRow = z.output<typeof Job>

/** Sends the form as a browser without JavaScript does; the id of the job it leads to. */
export async function ask(person: Browser, prompt: string, fields: Record<string, string> = {}): Promise<string> {
  const answer = await press(person, { prompt, ...fields })
  assert.equal(answer.status, 303, `no job for ${prompt}: ${answer.text.slice(0, 300)}`)
  return answer.location.split('/').at(-1)!
}

/** The answer to the form, which is sent again for as long as many at once are told to come again: a page does so by itself. */
export async function press(person: Browser, fields: Record<string, string>): Promise<Page> {
  const form = { submission: randomUUID(), ...fields }
  for (;;) {
    const answer = await person.post('/images', form)
    if (answer.status !== 503 || answer.headers['retry-after'] !== '1') return answer
  }
}

export function jobRow(db: Db, id: string): Promise<JobRow> {
  return db.one(Job, `select * from image_jobs where id = $1`, [id])
}

/** Waits until the job has one of the states; the row as it is then. */
export function jobIn(db: Db, id: string, ...states: string[]): Promise<JobRow> {
  return until(`job ${id} to be ${states.join(' or ')}`, async () => {
    const row = await jobRow(db, id)
    return states.includes(row.state) && row
  })
}

/** Waits for the end of a job, however it ends. */
export function jobEnd(db: Db, id: string): Promise<JobRow> {
  return jobIn(db, id, 'done', 'failed', 'unknown', 'cancelled')
}
