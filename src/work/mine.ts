import type { Deps } from '../deps.ts'

/** What writing papers takes; no gateway, no seals. */
export type PaperDeps = Pick<Deps, 'db'>

/** A file of what is a person's, beside the pictures. */
export interface Paper {
  /** `conversations/2026-11-26-herons.md`: no `..`, no root. */
  name: string
  /** A text, or what is written as JSON: tokens of files become the names under which they lie beside it. */
  content: string | object
}

export interface PaperWords {
  language: 'en' | 'zh-CN'
  /** Where the picture with these bytes lies in the same export; null when it does not. */
  fileOf(token: string): string | null
}

/** What a room gives of a person's when they take everything along: never a key, a token or a seal. */
export interface Mine {
  /** Every table of the room with rows of a person: null where its papers, or the pictures, give them, or else why not. */
  tables: Readonly<Record<string, string | null>>
  papers?(deps: PaperDeps, userId: number, words: PaperWords): AsyncGenerator<Paper>
}

const A_PAPER = 5000

/** Long lists in papers of a bounded length, `<name>.json`, `<name>-2.json`; `list` answers what comes behind a row. */
export async function* inPapers<Row>(
  name: string,
  list: (after: Row | null, limit: number) => Promise<Row[]>,
  view: (row: Row) => object = row => row as object,
): AsyncGenerator<Paper> {
  let number = 1
  for (let rows = await list(null, A_PAPER); rows.length > 0; number++) {
    yield { name: number === 1 ? `${name}.json` : `${name}-${number}.json`, content: rows.map(view) }
    rows = rows.length < A_PAPER ? [] : await list(rows.at(-1)!, A_PAPER)
  }
}
