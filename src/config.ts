import path from 'node:path'
import { z } from 'zod'
import type { Timeouts } from './gateway/client.ts'
import { ownSecret } from './secrets/own-secret.ts'
import { decoded, namesBucket, prefixOf } from './storage/addresses.ts'
import type { S3Config } from './storage/storage.ts'
import { isNetwork } from './web/network.ts'
import type { BodyPace } from './web/slow-bodies.ts'

export interface Config {
  role: 'all' | 'web' | 'worker'
  host: string
  port: number
  /** Root of the gateway, without a slash at the end. */
  upstream: string
  /** Where people reach this app, e.g. `https://play.example.com`; null = wherever they come from. */
  publicOrigin: string | null
  /** Number of reverse proxies in front whose `X-Forwarded-For` is believed. */
  trustedProxies: number
  /** The gateway's own routes are passed on to it, for tools that are pointed at this origin. */
  proxy: boolean
  /** Null: the embedded Postgres under `dataDirectory`. */
  databaseUrl: string | null
  databaseConnections: number
  dataDirectory: string
  /** Where paid pictures wait while the store is away; at so many bytes no new picture is begun. */
  spill: { directory: string; limitBytes: number }
  /** The first seals and signs, the others still open: rotation. Each at least 32 characters. */
  sessionSecrets: readonly string[]
  s3: S3Config | null
  /** Public address in front of the bucket, without a slash at the end: an object's address is this, `/` and its token. */
  cdnBase: string | null
  keepLocalAssets: boolean
  /** Pictures may be seen by whoever knows their token. */
  publicAssets: boolean
  /** Who may look at the gallery and at what is shared by link, and the sentence that who shares agrees to. */
  gallery: { open: 'public' | 'members' | 'off'; licence: string | null }
  limits: {
    /** Jobs of one user that may run, and wait, at the same time. */
    runningPerUser: number
    queuedPerUser: number
    /** Bytes that one person's files may take. */
    storagePerUser: number
    /** Bytes of a ZIP that is brought. */
    importBytes: number
    /** Jobs that may run at the same time over all processes, and in this one. */
    runningTotal: number
    runningHere: number
    /** Sign-in attempts a minute from one address. */
    signInsPerMinute: number
  }
  /** How a picture worker keeps its time, in seconds. Not in the environment: nobody but a test needs others. */
  worker: {
    /** Between two looks at what was cancelled and what may start. */
    tickSeconds: number
    /** A worker not heard of for so long is taken for dead; looked for every `sweepSeconds`. */
    leaseSeconds: number
    sweepSeconds: number
    /** How long a paid picture waits for a database or a store that is away. */
    persistSeconds: number
  }
  /** How slowly the body of a request may arrive. Not in the environment either. */
  bodies: BodyPace
  /** How long an event stream is kept, in seconds. Not in the environment either. */
  streams: {
    /** Between two signs of life. */
    keepAliveSeconds: number
    /** What was sent has not been read for so long: the stream is cut off. */
    stalledSeconds: number
    /** Between two looks whether the browser is still signed in. */
    checkSignInSeconds: number
  }
  /** What differs from the gateway client's own timeouts. */
  gatewayTimeouts: Partial<Timeouts>
  /** Previews asked for with a picture made from words; 0: not streamed at all. */
  partialImages: 0 | 1 | 2 | 3
  /** The same for edits, where it may cost more: gateways bill streamed edits by tokens on API-key accounts. */
  partialImagesEdits: 0 | 1 | 2 | 3
  /** Seconds a stop may take: see `stopping.ts`. */
  shutdownSeconds: number
  /** Who may read `/metrics`: connections from these networks (CIDR), and whoever shows this token. */
  metrics: { networks: readonly string[]; token: string | null }
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent'
  /** The mock gateway's guide to its sign-ins; set by `npm run dev:mock` only. */
  mockGuide: string | null
}

/** A configuration that cannot run; `problems` has one sentence per mistake. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`The configuration has ${problems.length === 1 ? 'a mistake' : 'mistakes'}:\n- ${problems.join('\n- ')}`)
    this.problems = problems
  }
}

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`))
const binaryUnits = ['', 'Ki', 'Mi', 'Gi', 'Ti']
const amountOfBytes = z
  .string()
  .regex(/^\d{1,15}(\.\d+)? ?([KMGT]i)?B?$/, 'must be an amount such as 10GiB or 500MiB')
  .transform(text => {
    const [, number, unit = ''] = /^([\d.]+) ?([KMGT]i)?B?$/.exec(text)!
    return Math.round(Number(number) * 1024 ** binaryUnits.indexOf(unit))
  })
  .pipe(z.number().min(1, 'must be more than nothing').max(Number.MAX_SAFE_INTEGER, 'is more than can be counted'))
const address = z
  .string()
  .refine(text => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http:// or https:// address')
  .transform(text => text.replace(/\/+$/, ''))
const networks = z
  .string()
  .transform(text => (text.trim() === 'none' ? [] : text.split(',').map(part => part.trim())))
  .refine(
    list => list.every(isNetwork),
    'must be addresses and networks such as 10.0.0.0/8, separated by commas, or none',
  )
const yesOrNo = z.enum(['true', 'false'], 'must be true or false').transform(text => text === 'true')

/** The variables that an operator may set. */
export const variables = () => Object.keys(Environment.shape).filter(name => name !== 'PLAYGROUND_MOCK_GUIDE')

const Environment = z.object({
  PLAYGROUND_ROLE: z.enum(['all', 'web', 'worker'], 'must be all, web or worker').default('all'),
  HOST: z.string().default('0.0.0.0'),
  PORT: wholeNumber(0, 65_535).default(8081),
  SUB2API_UPSTREAM: address,
  PLAYGROUND_PUBLIC_ORIGIN: address
    .refine(text => new URL(text).origin === text, 'must be an origin without a path')
    .optional(),
  PLAYGROUND_TRUST_PROXY: wholeNumber(0, 10).default(0),
  SUB2API_PROXY: yesOrNo.default(false),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must be a postgres:// address')
    .optional(),
  PLAYGROUND_DATABASE_CONNECTIONS: wholeNumber(2, 200).default(12),
  PLAYGROUND_DATA_DIR: z.string().default('data/playground'),
  PLAYGROUND_SPILL_MB: wholeNumber(1, 1_000_000).default(2048),
  SESSION_SECRET: z
    .string()
    .transform(text => text.split(',').map(part => part.trim()))
    .refine(list => list.every(secret => secret.length >= 32), 'must have at least 32 characters, in every part')
    .optional(),
  R2_ENDPOINT: address.optional(),
  R2_REGION: z.string().default('auto'),
  R2_BUCKET: z.string().optional(),
  R2_ACCESS_KEY_ID: z.string().optional(),
  R2_SECRET_ACCESS_KEY: z.string().optional(),
  PLAYGROUND_IMAGE_CDN_BASE: address
    .refine(text => decoded(new URL(text).pathname) !== null, 'must have a path whose % signs begin UTF-8 escapes')
    .optional(),
  PLAYGROUND_KEEP_LOCAL_ASSETS: yesOrNo.default(false),
  PLAYGROUND_PUBLIC_ASSETS: yesOrNo.default(false),
  PLAYGROUND_GALLERY: z.enum(['public', 'members', 'off'], 'must be public, members or off').default('public'),
  PLAYGROUND_GALLERY_LICENCE: z.string().max(500, 'must have at most 500 characters').optional(),
  PLAYGROUND_RUNNING_PER_USER: wholeNumber(1, 100).default(4),
  PLAYGROUND_QUEUED_PER_USER: wholeNumber(1, 10_000).default(50),
  PLAYGROUND_STORAGE_PER_USER: amountOfBytes.default(10 * 1024 ** 3),
  PLAYGROUND_IMPORT_LIMIT: amountOfBytes.default(4 * 1024 ** 3),
  PLAYGROUND_RUNNING_TOTAL: wholeNumber(1, 10_000).default(64),
  PLAYGROUND_WORKER_CONCURRENCY: wholeNumber(1, 200).default(16),
  PLAYGROUND_SIGN_INS_PER_MINUTE: wholeNumber(1, 10_000).default(20),
  PLAYGROUND_PARTIAL_IMAGES: wholeNumber(0, 3).default(2),
  PLAYGROUND_PARTIAL_IMAGES_EDITS: wholeNumber(0, 3).default(0),
  PLAYGROUND_SHUTDOWN_SECONDS: wholeNumber(0, 3600).default(30),
  PLAYGROUND_METRICS_NETWORKS: networks.default(['127.0.0.0/8', '::1/128']),
  PLAYGROUND_METRICS_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'], 'must be fatal, error, warn, info, debug or silent')
    .default('info'),
  PLAYGROUND_MOCK_GUIDE: address.optional(),
})

const s3Names = ['R2_ENDPOINT', 'R2_BUCKET', 'R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY'] as const

/** For a process that is started from this one. */
export function inherited(changes: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...changes }
}

/**
 * Reads the environment; empty variables count as absent. Makes the data directory and, where no other process needs
 * to know it, a session secret (file mode 0600) in it. Throws `ConfigError` with a sentence per mistake.
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Readonly<Config> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()))
  const parsed = Environment.safeParse(given)
  const problems = parsed.success
    ? []
    : parsed.error.issues.map(issue =>
        issue.code === 'invalid_type' && issue.input === undefined
          ? `${issue.path.join('.')} is missing: ${meaning(String(issue.path[0]))}`
          : `${issue.path.join('.')} ${issue.message}`,
      )

  const missing = s3Names.filter(name => !given[name])
  if (missing.length > 0 && missing.length < s3Names.length) {
    problems.push(
      `R2_* must be given all or not at all: ${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing`,
    )
  }
  const { R2_ENDPOINT: endpoint, R2_BUCKET: bucket } = given
  if (endpoint && bucket && namesBucket(endpoint, bucket)) {
    problems.push('R2_ENDPOINT must not name the bucket, which R2_BUCKET does: objects would lie under it once more')
  }
  const shared = given.DATABASE_URL
    ? 'DATABASE_URL is given'
    : given.PLAYGROUND_ROLE && given.PLAYGROUND_ROLE !== 'all'
      ? 'several roles share it'
      : ''
  if (shared && !given.SESSION_SECRET) {
    problems.push(`SESSION_SECRET is missing: ${shared}, so the secret cannot be one that this process makes up`)
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)

  const env = parsed.data
  const dataDirectory = path.resolve(env.PLAYGROUND_DATA_DIR)
  return Object.freeze({
    role: env.PLAYGROUND_ROLE,
    host: env.HOST,
    port: env.PORT,
    upstream: env.SUB2API_UPSTREAM,
    publicOrigin: env.PLAYGROUND_PUBLIC_ORIGIN ?? null,
    trustedProxies: env.PLAYGROUND_TRUST_PROXY,
    proxy: env.SUB2API_PROXY,
    databaseUrl: env.DATABASE_URL ?? null,
    databaseConnections: env.PLAYGROUND_DATABASE_CONNECTIONS,
    dataDirectory,
    spill: { directory: path.join(dataDirectory, 'spill'), limitBytes: env.PLAYGROUND_SPILL_MB * 1024 ** 2 },
    sessionSecrets: env.SESSION_SECRET ?? [ownSecret(dataDirectory)],
    s3:
      env.R2_ENDPOINT && env.R2_BUCKET && env.R2_ACCESS_KEY_ID && env.R2_SECRET_ACCESS_KEY
        ? {
            endpoint: env.R2_ENDPOINT,
            region: env.R2_REGION,
            bucket: env.R2_BUCKET,
            accessKeyId: env.R2_ACCESS_KEY_ID,
            secretAccessKey: env.R2_SECRET_ACCESS_KEY,
            isPublic: env.PLAYGROUND_PUBLIC_ASSETS && env.PLAYGROUND_IMAGE_CDN_BASE !== undefined,
            prefix: prefixOf(env.PLAYGROUND_IMAGE_CDN_BASE),
          }
        : null,
    cdnBase: env.PLAYGROUND_IMAGE_CDN_BASE ?? null,
    keepLocalAssets: env.PLAYGROUND_KEEP_LOCAL_ASSETS,
    publicAssets: env.PLAYGROUND_PUBLIC_ASSETS,
    gallery: { open: env.PLAYGROUND_GALLERY, licence: env.PLAYGROUND_GALLERY_LICENCE?.trim() ?? null },
    limits: {
      runningPerUser: env.PLAYGROUND_RUNNING_PER_USER,
      queuedPerUser: env.PLAYGROUND_QUEUED_PER_USER,
      storagePerUser: env.PLAYGROUND_STORAGE_PER_USER,
      importBytes: env.PLAYGROUND_IMPORT_LIMIT,
      runningTotal: env.PLAYGROUND_RUNNING_TOTAL,
      runningHere: env.PLAYGROUND_WORKER_CONCURRENCY,
      signInsPerMinute: env.PLAYGROUND_SIGN_INS_PER_MINUTE,
    },
    worker: { tickSeconds: 1, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 120 },
    // 270 bytes a second: slower than any line that a page would still load over.
    bodies: { windowSeconds: 60, leastBytes: 16 * 1024 },
    streams: { keepAliveSeconds: 20, stalledSeconds: 60, checkSignInSeconds: 60 },
    gatewayTimeouts: {},
    partialImages: env.PLAYGROUND_PARTIAL_IMAGES as Config['partialImages'],
    partialImagesEdits: env.PLAYGROUND_PARTIAL_IMAGES_EDITS as Config['partialImagesEdits'],
    shutdownSeconds: env.PLAYGROUND_SHUTDOWN_SECONDS,
    metrics: { networks: env.PLAYGROUND_METRICS_NETWORKS, token: env.PLAYGROUND_METRICS_TOKEN ?? null },
    logLevel: env.LOG_LEVEL,
    mockGuide: env.PLAYGROUND_MOCK_GUIDE ?? null,
  })
}

function meaning(name: string): string {
  return name === 'SUB2API_UPSTREAM'
    ? 'the address of your sub2api gateway, e.g. http://127.0.0.1:8080'
    : 'it is required'
}
