import { z } from 'zod'
import { decoded } from '../storage/addresses.ts'
import { address, amountOfBytes, dollars, headers, networks, oneOf, proxies, wholeNumber, yesOrNo } from './values.ts'

/** What the tables tell of a variable, in English and in Chinese. */
interface About {
  meaning: readonly [en: string, zh: string]
  /** Never shown; may be read from the file that `<name>_FILE` names. */
  secret?: true
  /** What the earlier product called it. */
  alias?: string
  /** What it is when nothing is given, where that is no value. */
  unset?: readonly [en: string, zh: string]
}

/** Of every variable of `Environment`. */
export const about = z.registry<About>()
/** The titles of the parts. */
export const titles = z.registry<{ title: readonly [en: string, zh: string] }>()

const Reaching = z
  .object({
    SUB2API_UPSTREAM: address().register(about, {
      meaning: [
        'root address of your sub2api gateway, e.g. `http://127.0.0.1:8080`',
        'sub2api 网关的根地址，例如 `http://127.0.0.1:8080`',
      ],
      unset: ['required', '必填'],
    }),
    HOST: z
      .string()
      .prefault('0.0.0.0')
      .register(about, {
        meaning: ['address to listen on', '监听的地址'],
        alias: 'PLAYGROUND_BIND_HOST',
      }),
    PORT: wholeNumber(0, 65_535)
      .prefault('8081')
      .register(about, {
        meaning: ['port to listen on', '监听的端口'],
        alias: 'PLAYGROUND_PORT',
      }),
    PLAYGROUND_ROLE: oneOf('all', 'web', 'worker')
      .prefault('all')
      .register(about, {
        meaning: [
          'what this process does: `web` answers people, `worker` makes pictures and answers, `all` both',
          '本进程的职责：`web` 响应用户，`worker` 生成图片和回答，`all` 两者都做',
        ],
      }),
    PLAYGROUND_PUBLIC_ORIGIN: address()
      .refine(text => new URL(text).origin === text, 'must be an origin without a path')
      .optional()
      .register(about, {
        meaning: [
          'where people reach the app, e.g. `https://play.example.com`; https turns on `__Host-` cookies and HSTS',
          '用户访问的地址，例如 `https://play.example.com`；https 会启用 `__Host-` Cookie 和 HSTS',
        ],
      }),
    PLAYGROUND_TRUST_PROXY: proxies()
      .prefault('none')
      .register(about, {
        meaning: [
          'whose `X-Forwarded-For` is believed: how many proxies stand in front, or their networks (`172.16.0.0/12`)',
          '相信谁的 `X-Forwarded-For`：前面有几层反向代理，或它们所在的网段（`172.16.0.0/12`）',
        ],
      }),
    PLAYGROUND_EMBED_ORIGIN: address()
      .refine(text => new URL(text).origin === text, 'must be an origin without a path')
      .optional()
      .register(about, {
        meaning: [
          'the gateway’s site, e.g. `https://gateway.example.com`, whose menu may open this app in a frame and sign people in; needs an https `PLAYGROUND_PUBLIC_ORIGIN`; see [operations](operations.md)',
          '网关站点的源，例如 `https://gateway.example.com`：它的自定义菜单可以用框架打开本站并直接登录；需要 https 的 `PLAYGROUND_PUBLIC_ORIGIN`，见[运维](operations.zh-CN.md)',
        ],
      }),
    SUB2API_PROXY: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'pass the gateway’s own routes (`/v1/*`, `/api/v1/*`, its picture routes) on to it, for tools that are pointed at this origin; see [operations](operations.md)',
          '把网关自己的路由（`/v1/*`、`/api/v1/*` 及其图片路由）转发给网关，供指向本站地址的工具使用，见[运维](operations.zh-CN.md)',
        ],
      }),
    PLAYGROUND_SHUTDOWN_SECONDS: wholeNumber(0, 3600)
      .prefault('30')
      .register(about, {
        meaning: [
          'how long a stop may take (at least 3): calls under way get all of it but the last 5, in which what is left is put where it is safe',
          '整个停止过程最多用多少秒（至少 3）：除最后 5 秒外都留给进行中的调用，最后 5 秒把剩下的妥善放好',
        ],
      }),
  })
  .register(titles, { title: ['Where it is reached, and what it is', '访问与角色'] })

const Keeping = z
  .object({
    DATABASE_URL: z
      .string()
      .regex(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// address', abort: true })
      .refine(
        text => URL.canParse(text),
        'must be an address: in its password write @ as %40, / as %2F, # as %23, % as %25',
      )
      .optional()
      .register(about, {
        meaning: [
          'Postgres 15 or later, UTF8; without it the embedded one, for one machine',
          'Postgres 15 以上，UTF8 编码；不设则用内置的（仅限单机）',
        ],
        secret: true,
      }),
    PLAYGROUND_DATABASE_CONNECTIONS: wholeNumber(2, 200)
      .prefault('12')
      .register(about, {
        meaning: [
          'connections of the pool of a process; its queue takes 3 to 4 more',
          '单个进程的连接池大小；队列另需 3 到 4 个',
        ],
      }),
    PLAYGROUND_DATA_DIR: z
      .string()
      .prefault('data/playground')
      .register(about, {
        meaning: [
          'embedded Postgres, files of pictures, generated secret, what waits for the store',
          '内置 Postgres、图片文件、自动生成的密钥、等待写入存储的内容',
        ],
      }),
    PLAYGROUND_SPILL_MB: wholeNumber(1, 1_000_000)
      .prefault('2048')
      .register(about, {
        meaning: [
          'room under the data directory for paid pictures that the store does not take; when it is full no new picture is begun',
          '存储不可用时，已付费的图片在数据目录里可占的空间（MB）；用满后不再开始新图片',
        ],
      }),
    SESSION_SECRET: z
      .string()
      .transform(text => text.split(',').map(part => part.trim()))
      .refine(list => list.every(secret => secret.length >= 32), 'must have at least 32 characters, in every part')
      .optional()
      .register(about, {
        meaning: [
          'seals keys and signs cookies; at least 32 characters. Several, with commas between, rotate: the first seals, all open. Required with `DATABASE_URL` or a role',
          '用于密封密钥和签名 Cookie，至少 32 个字符。用逗号分隔多个即可轮换：第一个用于加密，其余仍可解密。设了 `DATABASE_URL` 或角色时必填',
        ],
        secret: true,
        unset: ['generated', '自动生成'],
      }),
  })
  .register(titles, { title: ['Where it keeps things', '数据'] })

const Pictures = z
  .object({
    R2_ENDPOINT: address()
      .optional()
      .register(about, {
        meaning: [
          'keep pictures in R2 or S3: this and the next three, or none of the four',
          '图片存到 R2 或 S3：本项与下面三项都设，或都不设',
        ],
      }),
    R2_BUCKET: z
      .string()
      .optional()
      .register(about, { meaning: ['name of the bucket', '存储桶名称'] }),
    R2_ACCESS_KEY_ID: z
      .string()
      .optional()
      .register(about, { meaning: ['its key', '访问密钥 ID'], secret: true }),
    R2_SECRET_ACCESS_KEY: z
      .string()
      .optional()
      .register(about, { meaning: ['and the secret of that key', '访问密钥'], secret: true }),
    R2_REGION: z
      .string()
      .prefault('auto')
      .register(about, { meaning: ['region of the bucket', '存储桶区域'] }),
    PLAYGROUND_IMAGE_CDN_BASE: address()
      .refine(text => decoded(new URL(text).pathname) !== null, 'must have a path whose % signs begin UTF-8 escapes')
      .optional()
      .register(about, {
        meaning: [
          'public address in front of the bucket; the key of an object is its path + `/` + token',
          '存储桶的公开地址；对象名是它的路径 + `/` + token',
        ],
      }),
    PLAYGROUND_ENABLE_CF_IMAGE_RESIZING: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'let Cloudflare make the thumbnails of pictures that only the bucket has, at `/cdn-cgi/image/` of the CDN’s host',
          '仅存于存储桶的图片，缩略图改由 CDN 域名下的 Cloudflare `/cdn-cgi/image/` 生成',
        ],
      }),
    PLAYGROUND_THUMBNAIL_WIDTH: wholeNumber(64, 2048)
      .prefault('480')
      .register(about, {
        meaning: [
          'longest side of a thumbnail in pixels, of pictures made from now on',
          '缩略图最长边的像素数，对今后的图片生效',
        ],
      }),
    PLAYGROUND_KEEP_LOCAL_ASSETS: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'with a bucket: keep copies under the data directory too, and read them first',
          '用存储桶时也在数据目录保留副本，并优先读取',
        ],
      }),
    PLAYGROUND_PUBLIC_ASSETS: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'at `/api/playground/assets/<token>`, show every picture that is not in the trash to whoever knows its token',
          '任何知道 token 的人都能在 `/api/playground/assets/<token>` 看到对应图片（回收站里的除外）',
        ],
      }),
    PLAYGROUND_STATUS_PAGE: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'at `/status`, show everybody how this place does: gateway, waiting times, success of the last hours, maintenance; nobody’s data',
          '在 `/status` 向所有人公开服务状态：网关、等待时间、最近的成功率和维护情况，不含任何个人数据',
        ],
      }),
    PLAYGROUND_GALLERY: oneOf('public', 'members', 'off')
      .prefault('public')
      .register(about, {
        meaning: [
          'who may look at what people share, in the gallery and by secret link: `public` (guests too), `members`, or `off`',
          '谁可以看到用户在画廊和私密链接中分享的内容：`public`（包括访客）、`members`（仅登录用户）或 `off`',
        ],
      }),
    PLAYGROUND_GALLERY_LICENCE: z
      .string()
      .max(500, 'must have at most 500 characters')
      .optional()
      .register(about, {
        meaning: [
          'a sentence that whoever shares has to agree to first, such as the licence their pictures are shared under',
          '分享前必须先同意的一句话，例如分享图片所用的许可',
        ],
      }),
  })
  .register(titles, { title: ['Pictures, and who sees them', '图片及其可见范围'] })

const Limits = z
  .object({
    PLAYGROUND_RUNNING_PER_USER: wholeNumber(1, 100)
      .prefault('4')
      .register(about, {
        meaning: ['jobs of one person at a time, over all processes', '每人同时进行的任务数（所有进程合计）'],
      }),
    PLAYGROUND_QUEUED_PER_USER: wholeNumber(1, 10_000)
      .prefault('50')
      .register(about, { meaning: ['jobs of one person that may wait', '每人可以排队的任务数'] }),
    PLAYGROUND_STORAGE_PER_USER: amountOfBytes()
      .prefault('10GiB')
      .register(about, {
        meaning: [
          'room for the files of one person, trash included; when it is full, nothing more is uploaded or begun until they delete',
          '每人的文件（含回收站）可占的空间；用满后，删除之前不再接受上传，也不再开始新任务',
        ],
      }),
    PLAYGROUND_SPEND_PER_USER_PER_DAY: dollars()
      .optional()
      .register(about, {
        meaning: [
          'US dollars that one person may spend a day, in their own zone; what has no room at the dearest bill that can come back is refused before paying. Everybody sets budgets of their own beside these',
          '每人每日最多可花的美元数，按各人的时区；按可能出现的最高账单放不下的请求，付费前即拒绝。每个人还可自设预算',
        ],
      }),
    PLAYGROUND_SPEND_PER_USER_PER_MONTH: dollars()
      .optional()
      .register(about, { meaning: ['the same a month', '同上，每月'] }),
    PLAYGROUND_SPEND_PER_DAY: dollars()
      .optional()
      .register(about, {
        meaning: ['US dollars that all together may spend a day, by UTC', '全站合计每日最多可花的美元数，按 UTC'],
      }),
    PLAYGROUND_SPEND_PER_MONTH: dollars()
      .optional()
      .register(about, { meaning: ['the same a month', '同上，每月'] }),
    PLAYGROUND_IMPORT_LIMIT: amountOfBytes()
      .prefault('4GiB')
      .register(about, {
        meaning: [
          'largest ZIP of pictures that may be imported; it passes through `PLAYGROUND_DATA_DIR/incoming`, and a proxy in front must let it by',
          '可导入的图片 ZIP 的最大体积；上传时先落在 `PLAYGROUND_DATA_DIR/incoming`，前面的反向代理也须放行这么大的请求',
        ],
      }),
    PLAYGROUND_RUNNING_TOTAL: wholeNumber(1, 10_000)
      .prefault('64')
      .register(about, { meaning: ['jobs at a time, over all processes', '同时进行的任务总数（所有进程合计）'] }),
    PLAYGROUND_WORKER_CONCURRENCY: wholeNumber(1, 200)
      .prefault('16')
      .register(about, { meaning: ['jobs at a time in one process', '单个进程同时进行的任务数'] }),
    PLAYGROUND_SIGN_INS_PER_MINUTE: wholeNumber(1, 10_000)
      .prefault('20')
      .register(about, {
        meaning: [
          'sign-in attempts a minute from one address; for one e-mail it is 20 from one address and 100 from all, and a browser that signed in before has 10 of its own',
          '同一地址每分钟的登录次数；同一邮箱从同一地址为 20 次、从所有地址共 100 次，登录过的浏览器另有自己的 10 次',
        ],
      }),
    PLAYGROUND_PARTIAL_IMAGES: wholeNumber(0, 3)
      .prefault('2')
      .register(about, {
        meaning: [
          'previews per picture made from words, 0–3; 0 does not stream',
          '文字生图的中途预览数，0–3；0 表示不用流式',
        ],
      }),
    PLAYGROUND_PARTIAL_IMAGES_EDITS: wholeNumber(0, 3)
      .prefault('0')
      .register(about, {
        meaning: [
          'the same for edits: the gateway bills *streamed* edits by tokens instead of by picture on API-key accounts, often several times as much',
          '图片编辑的中途预览数：使用 API Key 账号的网关会对流式编辑按 token 而不是按张计费，往往贵好几倍',
        ],
      }),
  })
  .register(titles, { title: ['How much at once', '限额'] })

const Watching = z
  .object({
    PLAYGROUND_METRICS_NETWORKS: networks()
      .prefault('127.0.0.0/8,::1/128')
      .register(about, {
        meaning: [
          'from where `/metrics` is answered, by the address of the connection; `none`: from nowhere',
          '允许从哪些网段读取 `/metrics`，以连接本身的地址为准；`none` 表示都不允许',
        ],
      }),
    PLAYGROUND_METRICS_TOKEN: z
      .string()
      .min(16, 'must have at least 16 characters')
      .optional()
      .register(about, {
        meaning: [
          'bearer token that reads `/metrics` from anywhere; at least 16 characters',
          '可从任何地方读取 `/metrics` 的 bearer 令牌，至少 16 个字符',
        ],
        secret: true,
      }),
    OTEL_EXPORTER_OTLP_ENDPOINT: address()
      .optional()
      .register(about, {
        meaning: [
          'where traces go, as OTLP over HTTP, e.g. `http://127.0.0.1:4318`; without it nothing of them is loaded',
          'trace 的去处（OTLP over HTTP），例如 `http://127.0.0.1:4318`；不设则完全不加载',
        ],
      }),
    OTEL_EXPORTER_OTLP_HEADERS: headers()
      .optional()
      .register(about, {
        meaning: [
          'headers to send there, `name=value` with commas between, such as `authorization=Bearer%20…`',
          '发送时附带的请求头，`name=value`，用逗号分隔，例如 `authorization=Bearer%20…`',
        ],
        secret: true,
      }),
    LOG_LEVEL: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent')
      .prefault('info')
      .register(about, {
        meaning: [
          '`fatal`, `error`, `warn`, `info`, `debug` or `silent`; lines of JSON on standard output',
          '`fatal`、`error`、`warn`、`info`、`debug` 或 `silent`；日志以 JSON 行写到标准输出',
        ],
      }),
  })
  .register(titles, { title: ['Watching it', '观测'] })

/** The variables that an operator may set, in the order in which they are told. */
export const parts = [Reaching, Keeping, Pictures, Limits, Watching] as const

export const Environment = z.object({
  ...Reaching.shape,
  ...Keeping.shape,
  ...Pictures.shape,
  ...Limits.shape,
  ...Watching.shape,
  /** Set by `npm run dev:mock` only. */
  PLAYGROUND_MOCK_GUIDE: address().optional(),
})

export interface Variable extends About {
  name: string
  /** As an operator would write it; null: none. */
  fallback: string | null
}

export function variablesOf(part: z.ZodObject): Variable[] {
  return Object.entries(part.shape).map(([name, rule]) => ({
    name,
    fallback: rule instanceof z.ZodPrefault ? String(rule.def.defaultValue) : null,
    ...about.get(rule)!,
  }))
}

export const variables = (): Variable[] => parts.flatMap(variablesOf)
