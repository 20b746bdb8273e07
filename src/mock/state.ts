import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFaultQueue } from './faults.ts'
import { createGroups, type Group } from './groups.ts'
import { createLedger } from './ledger.ts'
import type { Act } from './people.ts'
import { seedKeys } from './people.ts'
import { defaultSettings, type Settings } from './settings.ts'
import type { UsageRow } from './usage-rows.ts'

export interface User {
  id: number
  email: string
  username: string
  role: 'admin' | 'user'
  balance: number
  /** How many gateway calls may run at once; more wait for a slot. */
  concurrency: number
  status: 'active' | 'disabled'
  /** The groups the user may bind a key to. */
  groupIds: number[]
  /** Groups of the kind `subscription` that the user has a running subscription for. */
  subscriptionIds: number[]
  /** Overrides of a group's rate multiplier. */
  rates: Record<string, number>
  act: Act
  totp: boolean
  /** Access tokens issued before a change of the password carry an older version. */
  tokenVersion: number
  accessTokens: string[]
  createdAt: Date
}

export interface Key {
  id: number
  user_id: number
  key: string
  name: string
  group_id: number | null
  status: 'active' | 'inactive' | 'disabled' | 'quota_exhausted' | 'expired'
  ip_whitelist: string[] | null
  ip_blacklist: string[] | null
  last_used_at: string | null
  last_used_ip: string | null
  current_concurrency: number
  quota: number
  quota_used: number
  rate_limit_5h: number
  rate_limit_1d: number
  rate_limit_7d: number
  usage_5h: number
  usage_1d: number
  usage_7d: number
  window_5h_start: string | null
  window_1d_start: string | null
  window_7d_start: string | null
  expires_at: string | null
  created_at: string
  updated_at: string
}

interface RefreshToken {
  userId: number
  sid: string
  /** Hash of the address and user agent that signed in. */
  binding: string
  expiresAt: number
}

export interface MockState {
  settings: Settings
  /** By lower-case e-mail. */
  users: Map<string, User>
  keys: Map<number, Key>
  groups: Map<number, Group>
  /** Oldest first. */
  usage: UsageRow[]
  refreshTokens: Map<string, RefreshToken>
  tempTokens: Map<string, { userId: number; expiresAt: number }>
  expiredAccessTokens: Set<string>
  usedCaptchaTokens: Set<string>
  idempotent: Map<string, { payload: string; keyId: number }>
  limiterHits: Map<string, { window: number; hits: number }>
  /** Rates as the gateway has read them, by user and group. */
  rates: Map<string, { rate: number; until: number }>
  /** Wrong second factors by user id. */
  wrongCodes: Map<number, { failures: number; until: number }>
  /** Grows when the gateway is killed: what ran before writes nothing any more. */
  life: number
  slots: Map<number, { running: number; waiting: (() => void)[] }>
  /** How often a prompt was drawn, so that asking again gives another picture. */
  drawn: Map<string, number>
  /** Pictures that the mock hands out by http url instead of base64. */
  /** `refusals`: how often it is not there yet. */
  hosted: Map<string, { bytes: Buffer; contentType: string; refusals: number }>
  secrets: Set<string>
  ledger: ReturnType<typeof createLedger>
  faults: ReturnType<typeof createFaultQueue>
  jwtSecret: Buffer
  nextId: number
  /** Aborted when the server closes: nothing goes on after it. */
  closing: AbortController
  /** The mock's own address, for links that point back at it. */
  url: string
}

export function createState(settings: Partial<Settings>): MockState {
  return {
    settings: { ...defaultSettings(), ...settings },
    users: new Map(),
    keys: new Map(),
    groups: createGroups(),
    usage: [],
    refreshTokens: new Map(),
    tempTokens: new Map(),
    expiredAccessTokens: new Set(),
    usedCaptchaTokens: new Set(),
    idempotent: new Map(),
    limiterHits: new Map(),
    rates: new Map(),
    wrongCodes: new Map(),
    life: 1,
    slots: new Map(),
    drawn: new Map(),
    hosted: new Map(),
    secrets: new Set(),
    ledger: createLedger(),
    faults: createFaultQueue(),
    jwtSecret: randomBytes(32),
    nextId: 1,
    closing: new AbortController(),
    url: '',
  }
}

/** The user of an e-mail, created with keys and groups on first sight. */
export function userOf(state: MockState, email: string): User {
  const name = email.toLowerCase()
  const known = state.users.get(name)
  if (known) return known
  const { user, keys } = seedKeys(state.nextId++, name)
  state.users.set(name, user)
  for (const key of keys) addKey(state, user, key)
  return user
}

export function userById(state: MockState, id: number): User | undefined {
  return state.users.values().find(user => user.id === id)
}

export function keysOf(state: MockState, user: User): Key[] {
  return state.keys
    .values()
    .filter(key => key.user_id === user.id)
    .toArray()
}

export function addKey(state: MockState, user: User, given: Partial<Key>): Key {
  const now = new Date().toISOString()
  const key: Key = {
    id: 99 + state.nextId++,
    user_id: user.id,
    key: newKey(),
    name: 'Key',
    group_id: null,
    status: 'active',
    ip_whitelist: null,
    ip_blacklist: null,
    last_used_at: null,
    last_used_ip: null,
    current_concurrency: 0,
    quota: 0,
    quota_used: 0,
    rate_limit_5h: 0,
    rate_limit_1d: 0,
    rate_limit_7d: 0,
    usage_5h: 0,
    usage_1d: 0,
    usage_7d: 0,
    window_5h_start: null,
    window_1d_start: null,
    window_7d_start: null,
    expires_at: null,
    created_at: now,
    updated_at: now,
    ...given,
  }
  state.keys.set(key.id, key)
  state.secrets.add(key.key)
  return key
}

/** Waits, unless the server closes first (then it throws an AbortError). */
export async function pause(state: MockState, ms: number): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal: state.closing.signal })
  state.closing.signal.throwIfAborted()
}

/** The gateway's session binding: a hash of address and user agent. */
export function bindingOf(ip: string, userAgent: string) {
  return createHash('sha256').update(`${ip}\n${userAgent}`).digest('hex').slice(0, 16)
}

function newKey() {
  return `sk-${randomBytes(32).toString('hex')}`
}
