import { fieldsOf } from './refusals.ts'

export interface TokenUsage {
  inputTokens: number | null
  cachedTokens: number | null
  outputTokens: number | null
  reasoningTokens: number | null
}

// What Postgres' integers hold; anything above is no count.
const MOST_TOKENS = 2 ** 31 - 1

/** The `usage` of a response; null where there is none. */
export function usageOf(usage: Record<string, unknown>): TokenUsage | null {
  if (Object.keys(usage).length === 0) return null
  const count = (value: unknown) => (Number.isInteger(value) && Number(value) <= MOST_TOKENS ? Number(value) : null)
  return {
    inputTokens: count(usage.input_tokens),
    cachedTokens: count(fieldsOf(usage.input_tokens_details).cached_tokens),
    outputTokens: count(usage.output_tokens),
    reasoningTokens: count(fieldsOf(usage.output_tokens_details).reasoning_tokens),
  }
}
