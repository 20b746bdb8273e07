import { fieldsOf, string } from './refusals.ts'

/** Words as they are kept: without NUL, but with the halves of a pair that two deltas may share. */
export function words(value: unknown): string {
  return string(value).replaceAll('\0', '')
}

export function placeOf(json: Record<string, unknown>): string {
  return JSON.stringify([json.output_index ?? json.item_id, json.content_index])
}

export function summaryPlaceOf(json: Record<string, unknown>): string {
  return JSON.stringify([json.output_index, json.summary_index ?? json.content_index])
}

export function itemOf(json: Record<string, unknown>): string {
  return string(fieldsOf(json.item).id) || string(json.item_id) || `at ${JSON.stringify(json.output_index)}`
}
