/** What has the words that were typed; the newest, where nothing was. */
export interface FoundView {
  /** Null: nothing was typed. */
  words: string | null
  conversations: { id: string; title: string; at: Date }[]
  pictures: { id: string; thumbUrl: string; prompt: string; at: Date }[]
  prompts: { jobId: string; prompt: string }[]
  /** Prompts that are kept, the newest first; `url`: the form that one makes, or where what it leaves open is filled in. */
  saved: { name: string; prompt: string; url: string }[]
  /** That could pay instead of the chosen one. */
  keys: { id: number; name: string; group: string | null }[]
  /** The page that the palette lies over. */
  back: string
}
