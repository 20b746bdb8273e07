import type { Response } from 'express'
import { accountOf } from '../account/viewer.ts'
import { listConversations } from '../chat/conversation-queries.ts'
import type { Deps } from '../deps.ts'
import { readForm } from '../images/prompt.ts'
import { listPrompts } from '../images/prompt-queries.ts'
import { readFilter, wordsOf } from '../library/filter.ts'
import { listTiles, matching } from '../library/list-queries.ts'
import { listSaved, type SavedPrompt } from '../prompts/queries.ts'
import { signedIn } from '../session/guard.ts'
import { pageOf } from '../web/render.ts'
import type { FoundView } from './view.ts'

const MOST = 5

/** Of what is this person's: what has all the words of `q` in it. */
export async function find({ db }: Pick<Deps, 'db'>, res: Response, q: unknown, back: string): Promise<FoundView> {
  const { userId } = signedIn(res)
  const filter = readFilter({ q, kind: 'all' })
  const words = wordsOf(filter)
  const [conversations, tiles, prompts, saved] = await Promise.all([
    listConversations(db, userId, { search: filter.q || null, before: null, limit: MOST }),
    matching(db, userId, filter, pageOf(res).timeZone).then(match =>
      listTiles(db, match, { sort: 'newest', place: null, limit: MOST }),
    ),
    listPrompts(db, userId, words, MOST),
    listSaved(db, userId),
  ])
  return {
    words: filter.q || null,
    conversations: conversations.map(({ id, title, updatedAt }) => ({ id, title, at: updatedAt })),
    pictures: tiles.map(({ id, token, prompt, createdAt }) => ({
      id,
      thumbUrl: `/files/${token}/thumb`,
      prompt,
      at: createdAt,
    })),
    prompts,
    saved: savedWith(words, saved),
    keys: keysWith(words, accountOf(res)?.otherKeys ?? []),
    back,
  }
}

function keysWith<K extends { name: string; group: string | null }>(words: readonly string[], keys: readonly K[]): K[] {
  const has = ({ name, group }: K, word: string) => `${name} ${group ?? ''}`.toLowerCase().includes(word.toLowerCase())
  return keys.filter(key => words.every(word => has(key, word))).slice(0, MOST)
}

function savedWith(words: readonly string[], all: readonly SavedPrompt[]): FoundView['saved'] {
  return all
    .map(({ id, name, form }) => ({ id, name, prompt: readForm(form).prompt }))
    .filter(({ name, prompt }) => {
      const text = `${name} ${prompt}`.normalize().toLowerCase()
      return words.every(word => text.includes(word.normalize().toLowerCase()))
    })
    .slice(0, MOST)
    .map(({ id, name, prompt }) => ({
      name,
      prompt,
      url: /[{}]/.test(prompt) ? `/prompts#saved-${id}` : `/images?saved=${id}`,
    }))
}
