import { z } from 'zod'
import { failureReasons } from '../gateway/errors.ts'
import { windowNames } from '../gateway/windows.ts'

/** What every long row that is a paid call knows of itself, beside what it asks for and what came of it. */
export const paidCall = {
  userId: z.number(),
  signInId: z.string().nullable(),
  version: z.number(),
  keyName: z.string().nullable(),
  keyGroup: z.string().nullable(),
  keySecret: z.instanceof(Buffer).nullable(),
  callerAddress: z.string(),
  callerUserAgent: z.string(),
  notBefore: z.date().nullable(),
  /** Since a restore: it waits for the operator, who knows nothing of what came after the backup either. */
  parkedAt: z.date().nullable(),
  /** The window of its key that `notBefore` is the end of. */
  waitsFor: z.enum(windowNames).nullable(),
  startedAt: z.date().nullable(),
  finishedAt: z.date().nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
  calledAt: z.date().nullable(),
  cancelRequestedAt: z.date().nullable(),
  requestId: z.string().nullable(),
  failureReason: z.enum(failureReasons).nullable(),
  failureDetail: z.string().nullable(),
  retryAt: z.date().nullable(),
  charged: z.enum(['yes', 'no', 'unknown']).nullable(),
  /** US dollars. */
  cost: z.number().nullable(),
}
