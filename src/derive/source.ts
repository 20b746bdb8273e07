import type { Picture } from '../library/queries.ts'
import type { SourceView } from './view.ts'

export function viewSource({ id, token, width, height, hasAlpha, prompt }: Picture): SourceView {
  return { id, url: `/files/${token}`, width, height, hasAlpha, prompt }
}
