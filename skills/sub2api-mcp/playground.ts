import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Failure, Refused, Unreachable } from './failure.ts'
import { findKeys, type SshKey, sign } from './ssh-key.ts'
import { isPassing, retrying, type Transport } from './transport.ts'

const NAMESPACE = 'sub2api-playground'

const Challenge = z.object({ challenge_id: z.string(), namespace: z.string(), message: z.string() })
const Login = z.object({ access_token: z.string().regex(/^[\x21-\x7e]{16,1024}$/) })
const Created = z.object({
  task_id: z.string(),
  status: z.string(),
  message: z.string().nullish(),
  warnings: z
    .array(z.looseObject({ parameter: z.string(), message: z.string() }))
    .nullish()
    .catch(null),
})
/** `index` and `condition` are told by newer servers only. */
const Image = z.object({ index: z.int().min(0).optional(), condition: z.string().optional() })
const Task = z.object({
  task_id: z.string(),
  status: z.string(),
  prompt: z.string().nullish(),
  size: z.string().nullish(),
  created_at: z.string().nullish(),
  updated_at: z.string().nullish(),
  error: z.string().nullish(),
  failure: z.string().nullish().catch(null),
  charged: z.unknown().optional(),
  cost: z.number().nullish().catch(null),
  usual_seconds: z.object({ from: z.number(), to: z.number() }).nullish().catch(null),
  receipt: z.object({ verdict: z.string() }).nullish().catch(null),
  result: z.object({ images: z.array(Image) }).nullish(),
  kept: z.array(Image).nullish(),
})
const Tasks = z.object({ tasks: z.array(Task), next_cursor: z.string().nullish() })
const LibraryPicture = z.object({
  id: z.string(),
  kind: z.string(),
  prompt: z.string(),
  tags: z.array(z.string()),
  folder: z.object({ id: z.string(), name: z.string() }).nullable(),
  favourite: z.boolean(),
  width: z.number(),
  height: z.number(),
  created_at: z.string(),
  deleted_at: z.string().nullable(),
  cost: z.number().nullable(),
})
const Pictures = z.object({ pictures: z.array(LibraryPicture), next_cursor: z.string().nullable() })
const Changed = z.object({ change_id: z.string(), count: z.number() })
const Undone = z.object({ undone: z.boolean() })
export type Task = z.infer<typeof Task>

/** A playground, signed in to with an SSH key whenever that is needed. Everything throws `Failure`. */
export interface Playground {
  /** May be repeated: the server knows the idempotency key, and pays once. */
  createTask(payload: object, idempotencyKey: string, signal: AbortSignal): Promise<z.infer<typeof Created>>
  findTask(taskId: string, signal: AbortSignal): Promise<Task>
  /** The task as it is then: it may have ended before. */
  cancelTask(taskId: string, signal: AbortSignal): Promise<Task>
  /** The task when it is over, or as it stands after so many seconds. */
  waitFor(taskId: string, seconds: number, signal: AbortSignal, tell: (task: Task) => Promise<void>): Promise<Task>
  listTasks(filter: Record<string, string>, signal: AbortSignal): Promise<z.infer<typeof Tasks>>
  /** Gives the answer with the bytes of picture `index` to `take`; once more when the connection breaks. */
  download<T>(taskId: string, index: number, signal: AbortSignal, take: (answer: Response) => Promise<T>): Promise<T>
  findPictures(filter: readonly [string, string][], signal: AbortSignal): Promise<z.infer<typeof Pictures>>
  /** All or none; may be repeated. */
  changePictures(change: object, signal: AbortSignal): Promise<z.infer<typeof Changed>>
  undoChange(changeId: string, signal: AbortSignal): Promise<z.infer<typeof Undone>>
  /** Of the library; as a copy where it is of another format than `format`. */
  savePicture<T>(
    pictureId: string,
    format: string | undefined,
    signal: AbortSignal,
    take: (answer: Response) => Promise<T>,
  ): Promise<T>
  /** A WebP of at most 480 pixels; null where there is none. */
  thumbnail(taskId: string, index: number, signal: AbortSignal): Promise<Buffer | null>
}

export function createPlayground(transport: Transport, namedKey: string | null): Playground {
  // Of the sign-in under way or done; calls at the same time share it.
  let token: Promise<string> | null = null

  /** A token that the server no longer knows is replaced once. */
  async function signedIn<T>(signal: AbortSignal, call: (token: string) => Promise<T>): Promise<T> {
    const used = token ?? renew()
    try {
      const bearer = await used
      return await retrying(signal, () => call(bearer))
    } catch (error) {
      const settled = await used.catch(() => null)
      if (!(error instanceof Refused && error.status === 401) || settled === null) throw error
    }
    if (token === used) token = null
    const fresh = await (token ?? renew())
    return retrying(signal, () => call(fresh))
  }

  function renew(): Promise<string> {
    // Not with a caller's signal: others may be waiting for the same token.
    const renewed = signIn(transport, namedKey, new AbortController().signal)
    token = renewed
    renewed.catch(() => {
      if (token === renewed) token = null
    })
    return renewed
  }

  const findTask: Playground['findTask'] = (taskId, signal) =>
    signedIn(signal, async bearer => read(Task, await transport.json('GET', pathOf(taskId), { token: bearer, signal })))

  return {
    findTask,
    cancelTask(taskId, signal) {
      const path = `${pathOf(taskId)}/cancel`
      return signedIn(signal, async bearer => read(Task, await transport.json('POST', path, { token: bearer, signal })))
    },
    async createTask(payload, idempotencyKey, signal) {
      let unclear = false
      const headers = { 'Idempotency-Key': idempotencyKey }
      try {
        return await signedIn(signal, async bearer => {
          try {
            const ask = { token: bearer, body: payload, headers, signal }
            return read(Created, await transport.json('POST', '/tasks', ask))
          } catch (error) {
            unclear ||= error instanceof Unreachable && error.arrived
            unclear ||= error instanceof Refused && [500, 502, 504].includes(error.status)
            throw error
          }
        })
      } catch (error) {
        if (!unclear || !(error instanceof Error)) throw error
        const hint = `The task may have been made: to be sure without paying twice, repeat with idempotency_key ${idempotencyKey}`
        throw new Failure(`${error.message.replace(/\.$/, '')}. ${hint}`, { cause: error })
      }
    },
    async waitFor(taskId, seconds, signal, tell) {
      const deadline = performance.now() + seconds * 1000
      for (let pause = 1000; ; pause = Math.min(pause * 1.3, 5000)) {
        const task = await findTask(taskId, signal).catch((error: unknown) => {
          if (!isPassing(error) || performance.now() >= deadline) throw error
          return null
        })
        if (task && (isOver(task) || performance.now() >= deadline)) return task
        if (task) await tell(task)
        await delay(Math.max(0, Math.min(pause, deadline - performance.now())), undefined, { signal })
      }
    },
    listTasks(filter, signal) {
      const query = new URLSearchParams(filter).toString()
      const path = `/tasks${query && `?${query}`}`
      return signedIn(signal, async bearer => read(Tasks, await transport.json('GET', path, { token: bearer, signal })))
    },
    download(taskId, index, signal, take) {
      const path = `${pathOf(taskId)}/download?index=${index}`
      return signedIn(signal, async bearer => take(await transport.open('GET', path, { token: bearer, signal })))
    },
    findPictures(filter, signal) {
      const path = `/library?${new URLSearchParams([...filter]).toString()}`
      return signedIn(signal, async bearer =>
        read(Pictures, await transport.json('GET', path, { token: bearer, signal })),
      )
    },
    changePictures(body, signal) {
      return signedIn(signal, async bearer =>
        read(Changed, await transport.json('POST', '/library/changes', { token: bearer, body, signal })),
      )
    },
    undoChange(changeId, signal) {
      const path = `/library/changes/${encodeURIComponent(changeId)}/undo`
      return signedIn(signal, async bearer =>
        read(Undone, await transport.json('POST', path, { token: bearer, body: {}, signal })),
      )
    },
    savePicture(pictureId, format, signal, take) {
      const path = `/library/${encodeURIComponent(pictureId)}/download${format ? `?format=${format}` : ''}`
      return signedIn(signal, async bearer => take(await transport.open('GET', path, { token: bearer, signal })))
    },
    async thumbnail(taskId, index, signal) {
      const path = `${pathOf(taskId)}/thumbnail?index=${index}`
      try {
        return await signedIn(signal, async bearer => {
          const answer = await transport.open('GET', path, { token: bearer, signal })
          return Buffer.from(await answer.arrayBuffer())
        })
      } catch (error) {
        // It is only shown beside the file: an older server has none, and a broken line is no reason to fail.
        if (!(error instanceof Failure) && !(error instanceof TypeError)) throw error
        return null
      }
    },
  }
}

export function isOver(task: Task): boolean {
  return task.status === 'completed' || task.status === 'failed'
}

/** A bearer token by the first key that the server knows. */
async function signIn(transport: Transport, namedKey: string | null, signal: AbortSignal): Promise<string> {
  const keys = await findKeys(namedKey)
  let trouble: Failure | null = null
  for (const key of keys) {
    try {
      // As a whole: a challenge can be answered once only.
      return await retrying(signal, () => prove(transport, key, signal))
    } catch (error) {
      if (!(error instanceof Failure) || error instanceof Unreachable) throw error
      if (error instanceof Refused && error.status !== 400 && error.status !== 404) throw error
      // Unknown to the server, of a kind it does not take, or unable to sign: the next key may do.
      if (!(error instanceof Refused && error.status === 404)) trouble ??= error
    }
  }
  if (trouble) throw trouble
  const tried = keys.map(key => `${key.file ?? 'in ssh-agent'} (${key.fingerprint})`).join(', ')
  throw new Failure(`No SSH key is registered with the playground: tried ${tried}. Bind one on ${transport.url}/agents`)
}

async function prove(transport: Transport, key: SshKey, signal: AbortSignal): Promise<string> {
  const body = { public_key: key.publicKey }
  const challenge = read(Challenge, await transport.json('POST', '/challenge', { body, signal }))
  const signature = await sign(key, NAMESPACE, textToSign(challenge, key))
  const answer = { ...body, challenge_id: challenge.challenge_id, signature }
  return read(Login, await transport.json('POST', '/login', { body: answer, signal })).access_token
}

/** What the server wants signed, if it is a sign-in of this key and nothing else: a key may open other doors too. */
function textToSign(challenge: z.infer<typeof Challenge>, key: SshKey): string {
  const [title, id, fingerprint, , end, ...more] = challenge.message.split('\n')
  const isSignIn =
    challenge.namespace === NAMESPACE &&
    title === 'sub2api-playground ssh login' &&
    id === `challenge=${challenge.challenge_id}` &&
    fingerprint === `fingerprint=${key.fingerprint}` &&
    end === '' &&
    more.length === 0
  if (!isSignIn) throw new Failure('The server asks for a signature that is not a sign-in; nothing was signed')
  return challenge.message
}

function read<T>(schema: z.ZodType<T>, content: unknown): T {
  const parsed = schema.safeParse(content)
  if (parsed.success) return parsed.data
  throw new Failure('The server answered something that this client does not understand')
}

function pathOf(taskId: string): string {
  return `/tasks/${encodeURIComponent(taskId)}`
}
