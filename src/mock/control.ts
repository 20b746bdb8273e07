import type { FaultInput } from './faults.ts'
import type { Group } from './groups.ts'
import type { CallFilter, CallRecord, PanelRecord } from './ledger.ts'
import type { Settings } from './settings.ts'
import { addKey, type Key, keysOf, type MockState, type User, userOf } from './state.ts'

export interface MockControl {
  /** Makes the next matching call (or calls) misbehave; answers the id to release it by. */
  fault(fault: FaultInput): number
  clearFaults(): void
  /** Lets held calls go on: those of one fault, or all. */
  release(faultId?: number): void
  calls(filter?: CallFilter): CallRecord[]
  panelCalls(filter?: Partial<Pick<PanelRecord, 'method' | 'path' | 'email'>>): PanelRecord[]
  /** Waits until that many matching gateway calls have been received (or have the state of the filter). */
  waitForCalls(count: number, filter?: CallFilter, timeoutMs?: number): Promise<CallRecord[]>
  /** Every token, key, temporary token and password the mock issued or saw. */
  secrets(): string[]
  /** Changes settings; the fields of `site` are laid over those there are. */
  set(settings: Partial<Settings>): void
  /** The user of this e-mail, created on first sight, after laying the fields over. */
  user(email: string, fields?: Partial<User>): User
  keysOf(email: string): Key[]
  addKey(email: string, fields: Partial<Key>): Key
  key(id: number, fields: Partial<Key>): Key
  group(id: number, fields: Partial<Group>): Group
  /** From now on the user's refresh tokens get REFRESH_TOKEN_INVALID; access tokens stay good. */
  revokeRefreshTokens(email: string): void
  /** From now on the access tokens issued so far get TOKEN_EXPIRED. */
  expireAccessTokens(email: string): void
  /** Forgets calls and faults. */
  clear(): void
}

export function createControl(state: MockState): MockControl {
  return {
    fault: fault => state.faults.add(fault),
    clearFaults: () => state.faults.clear(),
    release: id => state.faults.release(id),
    calls: filter => state.ledger.matching(filter),
    panelCalls: (filter = {}) =>
      state.ledger.panelCalls.filter(call =>
        Object.entries(filter).every(([name, value]) => call[name as keyof PanelRecord] === value),
      ),
    waitForCalls(count, filter = {}, timeoutMs = 30_000) {
      const limits = [AbortSignal.timeout(timeoutMs), state.closing.signal]
      return state.ledger.waitFor(count, filter, AbortSignal.any(limits))
    },
    secrets: () => [...state.secrets],
    set({ site, ...settings }) {
      Object.assign(state.settings, settings)
      if (site) state.settings.site = { ...state.settings.site, ...site }
    },
    user: (email, fields = {}) => Object.assign(userOf(state, email), fields),
    keysOf: email => keysOf(state, userOf(state, email)),
    addKey: (email, fields) => addKey(state, userOf(state, email), fields),
    key: (id, fields) => Object.assign(existing(state.keys, id), fields),
    group: (id, fields) => Object.assign(existing(state.groups, id), fields),
    revokeRefreshTokens(email) {
      const { id } = userOf(state, email)
      for (const [token, { userId }] of state.refreshTokens) if (userId === id) state.refreshTokens.delete(token)
    },
    expireAccessTokens(email) {
      for (const token of userOf(state, email).accessTokens) state.expiredAccessTokens.add(token)
    },
    clear() {
      state.ledger.clear()
      state.faults.clear()
    },
  }
}

function existing<T>(map: Map<number, T>, id: number): T {
  const found = map.get(id)
  if (!found) throw new Error(`the mock has no such thing: ${id}`)
  return found
}
