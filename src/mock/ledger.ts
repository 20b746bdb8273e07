/** One gateway call as the mock saw it. Never holds the key. */
export interface CallRecord {
  id: number
  method: string
  path: string
  apiKeyId: number | null
  userId: number | null
  email: string | null
  prompt: string
  model: string
  n: number
  size: string
  quality: string
  stream: boolean
  /** Pictures sent along. */
  inputs: number
  /** SHA-256 of each, where they were read. */
  digests?: string[]
  hasMask: boolean
  /** The request's fields as sent; long texts and files are cut short. */
  fields: Record<string, unknown>
  contentType: string
  ip: string
  userAgent: string
  /** Names of the forwarding headers that came along. */
  forwarded: string[]
  /** The value of X-Client-Request-ID. */
  requestId: string
  receivedAt: string
  endedAt: string | null
  /** `queued` waits for a slot; `refused` did not reach the upstream, `failed` did. */
  state: 'received' | 'queued' | 'held' | 'running' | 'done' | 'failed' | 'refused'
  status: number | null
  /** The client went away before the reply was whole, or was cut off. */
  clientGone: boolean
  /** Pictures charged for, and the charge in USD. */
  images: number
  billed: number
}

export interface PanelRecord {
  id: number
  method: string
  path: string
  email: string | null
  ip: string
  userAgent: string
  forwarded: string[]
  receivedAt: string
  status: number | null
}

export type CallFilter = Partial<Pick<CallRecord, 'method' | 'path' | 'apiKeyId' | 'userId' | 'email' | 'state'>> & {
  /** A part of the prompt. */
  prompt?: string
}

const kept = 5000

/** Every call the mock received (the newest 5000 in full, the rest as a count), and a way to wait for more. */
export function createLedger() {
  const calls: CallRecord[] = []
  const panelCalls: PanelRecord[] = []
  const waiting = new Set<() => void>()
  const totals: Record<string, number> = {}
  let nextId = 1

  function changed() {
    for (const check of waiting) check()
  }

  function matching(filter: CallFilter = {}) {
    const { prompt, ...exact } = filter
    return calls.filter(
      call =>
        (prompt === undefined || call.prompt.includes(prompt)) &&
        Object.entries(exact).every(([name, value]) => value === undefined || call[name as keyof CallRecord] === value),
    )
  }

  return {
    calls,
    panelCalls,
    totals,
    matching,
    changed,

    addCall(
      given: Omit<
        CallRecord,
        'id' | 'receivedAt' | 'endedAt' | 'state' | 'status' | 'clientGone' | 'images' | 'billed'
      >,
    ) {
      const call: CallRecord = {
        id: nextId++,
        ...given,
        receivedAt: new Date().toISOString(),
        endedAt: null,
        state: 'received',
        status: null,
        clientGone: false,
        images: 0,
        billed: 0,
      }
      calls.push(call)
      if (calls.length > kept) calls.shift()
      totals[call.path] = (totals[call.path] ?? 0) + 1
      return call
    },

    addPanelCall(given: Omit<PanelRecord, 'id' | 'receivedAt' | 'status'>) {
      const call: PanelRecord = { id: nextId++, ...given, receivedAt: new Date().toISOString(), status: null }
      panelCalls.push(call)
      if (panelCalls.length > kept) panelCalls.shift()
      return call
    },

    set(call: CallRecord | null, values: Partial<CallRecord>) {
      if (!call) return
      Object.assign(call, values)
      changed()
    },

    /** Resolves with the matching calls as soon as there are `count` of them; rejects when the signal aborts. */
    waitFor(count: number, filter: CallFilter, signal: AbortSignal): Promise<CallRecord[]> {
      return new Promise((resolve, reject) => {
        function check() {
          const found = matching(filter)
          if (found.length < count) return
          waiting.delete(check)
          resolve(found)
        }
        signal.addEventListener('abort', () => {
          waiting.delete(check)
          reject(new Error(`waited for ${count} calls, saw ${matching(filter).length}`))
        })
        waiting.add(check)
        check()
      })
    },

    clear() {
      calls.length = 0
      panelCalls.length = 0
      for (const path of Object.keys(totals)) delete totals[path]
    },
  }
}
