import { Refusal } from '../web/errors.ts'
import type { Key } from '../web/i18n.ts'
import type { Sentence } from '../web/words.ts'

/** What went wrong, for programs: a closed list. */
export const reasons = [
  'invalid_request',
  'invalid_field',
  'not_registered',
  'challenge_not_valid',
  'signature_not_valid',
  'token_not_valid',
  'not_found',
  'method_not_allowed',
  'too_large',
  'idempotency_conflict',
  'not_completed',
  'no_api_key',
  'group_no_images',
  'key_invalid',
  'key_expired',
  'key_quota',
  'price_unknown',
  'size_not_allowed',
  'quality_not_allowed',
  'pictures_per_day',
  'jobs_at_once',
  'spend_per_day',
  'spend_total',
  'budget',
  'too_many_queued',
  'storage_full',
  'made_by_others',
  'rate_limited',
  'gateway',
  'maintenance',
  'unavailable',
  'internal',
] as const
export type Reason = (typeof reasons)[number]

/** A refusal that a program can act on. `field` is a path into what it sent. */
export class Problem extends Refusal {
  readonly reason: Reason
  readonly field: string | undefined

  constructor(
    status: number,
    reason: Reason,
    key: Key,
    more: { params?: Record<string, unknown>; field?: string; retryAfter?: number } = {},
  ) {
    super(status, key, more.params, more.retryAfter)
    this.reason = reason
    this.field = more.field
  }
}

/** The sentence names the field already. */
export function badField(field: string, { key, params }: Sentence): Problem {
  return new Problem(400, 'invalid_field', key, { field, params })
}
