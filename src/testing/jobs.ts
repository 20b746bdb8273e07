import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Browser } from './browser.ts'
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
  const form = { prompt, submission: randomUUID(), ...fields }
  let answer = await person.post('/images', form)
  // Told to come again, where many were asked for at once: as the page does by itself.
  while (answer.headers['retry-after'] === '1') answer = await person.post('/images', form)
  assert.equal(answer.status, 303, `no job for ${prompt}: ${answer.text.slice(0, 300)}`)
  return answer.location.split('/').at(-1)!
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
