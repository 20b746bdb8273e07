import { openChosenKey } from '../account/key.ts'
import type { Account } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import { GatewayError } from '../gateway/errors.ts'

/** How hard a model can be told to think. */
export const efforts = ['low', 'medium', 'high'] as const
export type Effort = (typeof efforts)[number]

export interface ChatModel {
  id: string
  /** Empty for models that do not reason. */
  efforts: readonly Effort[]
}

const fallback = ['gpt-5.5', 'gpt-5.4', 'gpt-5.4-mini', 'gpt-5.3-codex', 'gpt-5.3-codex-spark', 'gpt-5.2']
const notForWords = /image|embed|tts|whisper|audio|realtime|moderation|transcribe|video|review|\*/i
const reasons = /^(gpt-([5-9]|\d\d)|o\d)/

const KEPT_MS = 5 * 60_000
const MOST_KEPT = 1_000
const kept = new Map<string, { until: number; models: Promise<ChatModel[]> }>()

/** The text models of the chosen key, newest first; a list of our own while the gateway cannot be asked. */
export function listChatModels(
  deps: Pick<Deps, 'gateway' | 'sealer' | 'log'>,
  caller: Caller,
  account: Account | null,
): Promise<ChatModel[]> {
  if (!account?.keyId || !account.keySecret) return Promise.resolve(fallback.map(toModel))
  const name = `${account.userId} ${account.keyId}`
  const known = kept.get(name)
  if (known && known.until > Date.now()) return known.models
  if (kept.size >= MOST_KEPT) kept.clear()
  const models = ask(deps, caller, account.userId, account.keySecret).catch(error => {
    if (!(error instanceof GatewayError)) throw error
    deps.log.info({ err: error }, 'the models of a key could not be listed')
    kept.delete(name)
    return fallback.map(toModel)
  })
  kept.set(name, { until: Date.now() + KEPT_MS, models })
  models.catch(() => kept.delete(name))
  return models
}

async function ask(deps: Pick<Deps, 'gateway' | 'sealer'>, caller: Caller, userId: number, sealed: Buffer) {
  const ids = await deps.gateway.listModels(caller, openChosenKey(deps, userId, sealed))
  const usable = ids.filter(id => !notForWords.test(id) && id.length <= 100)
  return (usable.length > 0 ? usable : fallback).toSorted(byVersion).map(toModel)
}

/** What a new conversation begins with: the newest GPT itself, none of its small, dated or coding sisters; else the first. */
export function defaultOf(models: readonly ChatModel[]): ChatModel {
  return models.find(({ id }) => readName(id).kind === 'plain') ?? models[0]!
}

const kinds = ['plain', 'other', 'codex', 'small', 'unknown'] as const

/** `gpt-5.10-mini` is version 5.10 of the small kind. */
function readName(id: string): { major: number; minor: number; kind: (typeof kinds)[number] } {
  const found = /^gpt-(?<major>\d{1,3})(?:\.(?<minor>\d{1,3}))?(?<rest>.*)$/i.exec(id)?.groups
  if (!found) return { major: 0, minor: 0, kind: 'unknown' }
  const rest = found.rest!
  const kind = rest === '' ? 'plain' : /mini|nano|spark/i.test(rest) ? 'small' : /codex/i.test(rest) ? 'codex' : 'other'
  return { major: Number(found.major), minor: Number(found.minor ?? 0), kind }
}

/** gpt-5.10 before gpt-5.9 before gpt-5.9-codex before gpt-5.9-mini, and all before o3: mapped lists come in no order. */
function byVersion(a: string, b: string): number {
  const [one, two] = [readName(a), readName(b)]
  return (
    two.major - one.major ||
    two.minor - one.minor ||
    kinds.indexOf(one.kind) - kinds.indexOf(two.kind) ||
    a.length - b.length ||
    a.localeCompare(b, 'en', { numeric: true })
  )
}

function toModel(id: string): ChatModel {
  return { id, efforts: reasons.test(id) ? efforts : [] }
}
