import path from 'node:path'
import type { Timeouts } from './gateway/client.ts'
import { ownSecret } from './secrets/own-secret.ts'
import { readSettings } from './settings/read.ts'
import { prefixOf } from './storage/addresses.ts'
import type { S3Config } from './storage/storage.ts'
import type { BodyPace } from './web/slow-bodies.ts'

export interface Config {
  role: 'all' | 'web' | 'worker'
  host: string
  port: number
  /** Root of the gateway, without a slash at the end. */
  upstream: string
  /** Where people reach this app, e.g. `https://play.example.com`; null = wherever they come from. */
  publicOrigin: string | null
  /** Whose `X-Forwarded-For` is believed: how many proxies stand in front, or their networks (CIDR). */
  trustedProxies: number | readonly string[]
  /** The gateway's own routes are passed on to it, for tools that are pointed at this origin. */
  proxy: boolean
  /** The gateway's site, whose menu may open this one in a frame and hand people over; null: nobody may. */
  embedOrigin: string | null
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
  /** Cloudflare makes the thumbnails of what is at `cdnBase`. */
  resizesAtCdn: boolean
  /** Longest side in pixels. */
  thumbnailEdge: number
  keepLocalAssets: boolean
  /** Pictures may be seen by whoever knows their token. */
  publicAssets: boolean
  /** A page for everybody on how this place does. */
  statusPage: boolean
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
  /** US dollars that may be spent a day and a month: by each person, in their zone, and by all together, by UTC. */
  budgets: Record<'userPerDay' | 'userPerMonth' | 'housePerDay' | 'housePerMonth', number | null>
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
  /** Where traces go, as OTLP; null: nowhere. */
  traces: { endpoint: string; headers: Readonly<Record<string, string>> } | null
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent'
  /** The mock gateway's guide to its sign-ins; set by `npm run dev:mock` only. */
  mockGuide: string | null
  /** What runs, but hardly as it is meant: a sentence each, for the log. */
  warnings: readonly string[]
}

/** A configuration that cannot run; `problems` has one sentence per mistake. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`The configuration has ${problems.length === 1 ? 'a mistake' : 'mistakes'}:\n- ${problems.join('\n- ')}`)
    this.problems = problems
  }
}

/** For a process that is started from this one: what is told here is not read from a file as well. */
export function inherited(changes: Record<string, string>): NodeJS.ProcessEnv {
  const files = Object.keys(changes).map(name => `${name}_FILE`)
  const others = Object.entries(process.env).filter(([name]) => !files.includes(name))
  return { ...Object.fromEntries(others), ...changes }
}

/**
 * Reads the environment, or without one that of this process and the file `.env`; empty variables count as absent. Makes
 * the data directory and, where no other process needs to know it, a session secret (file mode 0600) in it. Throws
 * `ConfigError` with a sentence per mistake.
 */
export function loadConfig(environment?: NodeJS.ProcessEnv): Readonly<Config> {
  const { settings: env, problems, warnings } = readSettings(environment)
  if (!env) throw new ConfigError(problems)
  const dataDirectory = path.resolve(env.PLAYGROUND_DATA_DIR)
  return Object.freeze({
    role: env.PLAYGROUND_ROLE,
    host: env.HOST,
    port: env.PORT,
    upstream: env.SUB2API_UPSTREAM,
    publicOrigin: env.PLAYGROUND_PUBLIC_ORIGIN ?? null,
    trustedProxies: env.PLAYGROUND_TRUST_PROXY,
    proxy: env.SUB2API_PROXY,
    embedOrigin: env.PLAYGROUND_EMBED_ORIGIN ?? null,
    databaseUrl: env.DATABASE_URL ?? null,
    databaseConnections: env.PLAYGROUND_DATABASE_CONNECTIONS,
    dataDirectory,
    spill: { directory: path.join(dataDirectory, 'spill'), limitBytes: env.PLAYGROUND_SPILL_MB * 1024 ** 2 },
    sessionSecrets: env.SESSION_SECRET ?? [secretOf(dataDirectory)],
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
    resizesAtCdn: env.PLAYGROUND_ENABLE_CF_IMAGE_RESIZING,
    thumbnailEdge: env.PLAYGROUND_THUMBNAIL_WIDTH,
    keepLocalAssets: env.PLAYGROUND_KEEP_LOCAL_ASSETS,
    publicAssets: env.PLAYGROUND_PUBLIC_ASSETS,
    statusPage: env.PLAYGROUND_STATUS_PAGE,
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
    budgets: {
      userPerDay: env.PLAYGROUND_SPEND_PER_USER_PER_DAY ?? null,
      userPerMonth: env.PLAYGROUND_SPEND_PER_USER_PER_MONTH ?? null,
      housePerDay: env.PLAYGROUND_SPEND_PER_DAY ?? null,
      housePerMonth: env.PLAYGROUND_SPEND_PER_MONTH ?? null,
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
    traces: env.OTEL_EXPORTER_OTLP_ENDPOINT
      ? { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, headers: env.OTEL_EXPORTER_OTLP_HEADERS ?? {} }
      : null,
    logLevel: env.LOG_LEVEL,
    mockGuide: env.PLAYGROUND_MOCK_GUIDE ?? null,
    warnings,
  })
}

function secretOf(dataDirectory: string): string {
  try {
    return ownSecret(dataDirectory)
  } catch (error) {
    const why = `a secret is kept there: ${(error as Error).message}`
    throw new ConfigError([`PLAYGROUND_DATA_DIR must be a directory that can be written to, ${why}`])
  }
}
