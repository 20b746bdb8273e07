import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import type { ApiKey, Group } from '../gateway/schemas.ts'
import type { Secret } from '../secrets/secret.ts'
import { withAccessToken } from '../session/tokens.ts'
import type { Honour } from './honours.ts'
import { sealChosenKey } from './key.ts'
import { fullWindow } from './key-state.ts'
import { pricesOf, rateOf } from './prices.ts'
import * as queries from './queries.ts'
import type { KeyProblem, KeyReason, KeysView, KeyView, OtherKey } from './view.ts'

/** Name of the keys that this app creates. */
export const NEW_KEY_NAME = 'Image Playground'
const MOST_OTHERS = 20
const platforms = new Set(['openai', 'composite'])

/** What the gateway says of a user's keys, at one moment. */
export interface KeyRing {
  keys: ApiKey[]
  groups: Group[]
  rates: ReadonlyMap<number, number>
}

/** Panel calls that `fetchKeyRing` makes. */
export const RING_CALLS = 3

/** Throws what the panel methods of the gateway throw. */
export async function fetchKeyRing(deps: Pick<Deps, 'gateway'>, caller: Caller, token: Secret): Promise<KeyRing> {
  const [keys, groups, rates] = await Promise.all([
    deps.gateway.listKeys(caller, token),
    deps.gateway.listGroups(caller, token),
    deps.gateway.groupRates(caller, token),
  ])
  return { keys, groups, rates }
}

/** Null when the gateway cannot be asked now. Throws `SignedOut`. */
export async function tryKeyRing(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer'>,
  signInId: string,
): Promise<KeyRing | null> {
  try {
    return await withAccessToken(deps, signInId, (token, caller) => fetchKeyRing(deps, caller, token), RING_CALLS)
  } catch (error) {
    if (error instanceof GatewayError || error instanceof PanelError) return null
    throw error
  }
}

export async function chooseKey(
  deps: Pick<Deps, 'db' | 'sealer'>,
  userId: number,
  ring: KeyRing,
  key: ApiKey,
): Promise<void> {
  const sealed = sealChosenKey(deps, userId, key.key)
  await queries.upsertChosenKey(deps.db, userId, { ...factsOf(ring, key), sealed }, othersOf(ring, key.id))
}

/** What is remembered of a key beside its secret. */
export function factsOf(ring: KeyRing, key: ApiKey): Omit<queries.ChosenKey, 'sealed'> {
  const group = groupOf(ring, key)
  return {
    id: key.id,
    name: key.name,
    group: group?.name ?? null,
    allowsImages: allowsImages(group),
    prices: group ? pricesOf(group, ring.rates) : null,
    state: {
      problem: problemOf(ring, key),
      expiresAt: key.expiresAt,
      isPlan: group?.subscriptionType === 'subscription',
      windows: key.windows,
      rate: group ? rateOf(group, ring.rates) : 1,
    },
  }
}

/**
 * At sign-in: brings the remembered key up to date with the gateway; where none is remembered, takes the only usable one,
 * or the best for pictures of several.
 */
export async function syncChosenKey(deps: Pick<Deps, 'db' | 'sealer'>, userId: number, ring: KeyRing): Promise<void> {
  const account = await queries.findAccount(deps.db, userId)
  const [only, ...more] = usableKeys(ring)
  if (only && more.length === 0 && !account?.keyId) return chooseKey(deps, userId, ring, only)
  const best = account?.keyId ? null : bestForPictures(ring)
  if (best) {
    const { key, why } = best
    const sealed = sealChosenKey(deps, userId, key.key)
    return queries.preselectKey(deps.db, userId, { ...factsOf(ring, key), sealed }, othersOf(ring, key.id), why)
  }
  await updateChosenKey(deps, { userId, keyId: account?.keyId ?? null }, ring)
}

/**
 * A chosen key that can no longer be used stays, with what is wrong with it, so that this can be said before anything is
 * paid, beside what could pay instead. Nothing changes when another key has been chosen meanwhile.
 */
export async function updateChosenKey(
  deps: Pick<Deps, 'db' | 'sealer'>,
  { userId, keyId }: { userId: number; keyId: number | null },
  ring: KeyRing,
): Promise<void> {
  const others = othersOf(ring, keyId)
  const key = keyId === null ? undefined : ring.keys.find(each => each.id === keyId)
  if (key) {
    const sealed = sealChosenKey(deps, userId, key.key)
    await queries.updateChosenKey(deps.db, userId, { ...factsOf(ring, key), sealed }, others)
  } else if (keyId !== null) await queries.markKeyGone(deps.db, userId, keyId, others)
  else await queries.updateOtherKeys(deps.db, userId, others)
}

/** One whose window is open, by a plan or else for the least money, and then the one that lasts longest. */
function bestForPictures(ring: KeyRing): { key: ApiKey; why: KeyReason } | null {
  const left = ({ quota, quotaUsed }: ApiKey) => (quota ? quota - (quotaUsed ?? 0) : Infinity)
  const candidates = usableKeys(ring)
    .map(key => ({ key, facts: factsOf(ring, key), left: left(key), ends: key.expiresAt?.getTime() ?? Infinity }))
    .filter(({ facts }) => facts.allowsImages)
    .toSorted(
      (a, b) =>
        Number(fullWindow(a.facts.state) !== null) - Number(fullWindow(b.facts.state) !== null) ||
        Number(b.facts.state.isPlan) - Number(a.facts.state.isPlan) ||
        compare(a.facts.prices?.['1K'] ?? Infinity, b.facts.prices?.['1K'] ?? Infinity) ||
        compare(b.left, a.left) ||
        compare(b.ends, a.ends),
    )
  const [best, next] = candidates
  if (!best) return null
  if (!next) return { key: best.key, why: 'pictures' }
  return { key: best.key, why: best.facts.state.isPlan ? 'plan' : 'cheapest' }
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1
}

function usableKeys(ring: KeyRing): ApiKey[] {
  return ring.keys.filter(key => problemOf(ring, key) === null)
}

/** Those that could pay at once come first; one whose window is full would keep its payer waiting too. */
function othersOf(ring: KeyRing, keyId: number | null): OtherKey[] {
  return usableKeys(ring)
    .filter(key => key.id !== keyId)
    .map(key => ({ key, facts: factsOf(ring, key) }))
    .filter(({ facts }) => !fullWindow(facts.state))
    .slice(0, MOST_OTHERS)
    .map(({ facts: { id, name, group, allowsImages, prices, state } }) => {
      return { id, name, group, allowsImages, prices, isPlan: state.isPlan }
    })
}

export function viewKeys(
  ring: KeyRing,
  chosenId: number | null,
  honours: readonly Honour[] = [],
): Pick<KeysView, 'keys' | 'groups'> {
  const keys = ring.keys.map(key => viewKey(ring, key, chosenId, honours))
  return {
    keys: [...keys.filter(key => !key.problem), ...keys.filter(key => key.problem)],
    groups: ring.groups
      .filter(group => platforms.has(group.platform))
      .map(group => ({
        id: group.id,
        name: group.name,
        description: group.description ?? '',
        allowsImages: allowsImages(group),
        multiplier: rateOf(group, ring.rates),
      })),
  }
}

export function problemOf(ring: KeyRing, key: ApiKey): KeyProblem | null {
  if (key.status === 'expired' || (key.expiresAt && key.expiresAt < new Date())) return 'expired'
  if (key.status === 'quota_exhausted' || (key.quota && (key.quotaUsed ?? 0) >= key.quota)) return 'quota_exhausted'
  if (key.status === 'inactive') return 'inactive'
  if (key.status === 'disabled') return 'disabled'
  const group = groupOf(ring, key)
  if (!group) return 'no_group'
  return platforms.has(group.platform) ? null : 'other_platform'
}

function viewKey(ring: KeyRing, key: ApiKey, chosenId: number | null, honours: readonly Honour[]): KeyView {
  const group = groupOf(ring, key)
  return {
    id: key.id,
    name: key.name,
    group: group?.name ?? null,
    allowsImages: allowsImages(group),
    remaining: key.quota ? Math.max(0, key.quota - (key.quotaUsed ?? 0)) : null,
    expiresAt: key.expiresAt,
    windows: key.windows.map(each => ({ ...each, isFull: each.used >= each.limit })),
    problem: problemOf(ring, key),
    honours: honours.filter(each => each.keyId === key.id && each.keyGroup === (group?.name ?? '')),
    chosen: key.id === chosenId,
  }
}

/** A key just created comes without its group. */
function groupOf(ring: KeyRing, key: ApiKey): Group | undefined {
  return key.group ?? ring.groups.find(group => group.id === key.groupId)
}

/** Gateways before 0.1.124 have no such flag and refuse nobody. */
function allowsImages(group: Group | undefined): boolean {
  return group?.allowImageGeneration !== false
}
