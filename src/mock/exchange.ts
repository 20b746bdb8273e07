import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fault } from './faults.ts'
import type { CallRecord } from './ledger.ts'
import type { MockState } from './state.ts'

/** One request on its way through the mock. */
export interface Exchange {
  state: MockState
  req: IncomingMessage
  res: ServerResponse
  method: string
  path: string
  query: URLSearchParams
  params: Record<string, string>
  body: Buffer
  /** The client address by the gateway's rules: X-Real-IP and its like are trusted, else the peer. */
  ip: string
  userAgent: string
  /** The parsed JSON body; undefined when it is not JSON. */
  json: unknown
  /** The parsed multipart body; null when it is not one. */
  form: FormData | null
  /** The life of the gateway in which it came. */
  life: number
  /** Filled for gateway calls only. */
  call: CallRecord | null
  /** What this request is to do wrong; empty for most. */
  fault: Fault
}

export type Handler = (exchange: Exchange) => void | Promise<void>

/** The JSON body as an object with unknown fields, `{}` when it is something else. */
export function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
