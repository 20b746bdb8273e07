import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { completedOf, gather, scriptedServer } from '../testing/scripted-server.ts'
import { hasWords, type Key, languages, translator } from '../web/i18n.ts'
import { failureReasons, GatewayError } from './errors.ts'

/** One answer of the gateway (0.1.179), of a relay or of a proxy before it, and what it means. */
const Fixture = z.strictObject({
  about: z.string().optional(),
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  /** JSON, or text as it stands; or the chunks of a stream. */
  body: z.unknown().optional(),
  chunks: z.array(z.string()).optional(),
  /** The connection is destroyed after the last chunk. */
  breaks: z.boolean().optional(),
  /** Pictures asked for, and those that came before it. */
  n: z.int().default(1),
  pictures: z.int().default(0),
  reason: z.enum(failureReasons),
  charged: z.enum(['yes', 'no', 'unknown']),
  mayRetry: z.boolean(),
  field: z.string().optional(),
  retryAfter: z.number().optional(),
})
type Fixture = z.output<typeof Fixture>

const folder = path.join(import.meta.dirname, 'corpus')
const corpus = readdirSync(folder).map(file => ({
  file,
  fixtures: z.array(Fixture).parse(JSON.parse(readFileSync(path.join(folder, file), 'utf8'))),
}))

for (const { file, fixtures } of corpus) {
  describe(file, () => {
    for (const fixture of fixtures) {
      const { status, reason, charged } = fixture
      test(`${status} ${titleOf(fixture)} is ${reason}, charged: ${charged}`, async t => {
        const { gateway } = await scriptedServer(t, (_req, res) => void answer(res, fixture))
        const { events, error } = await gather(gateway, { stream: fixture.chunks !== undefined, n: fixture.n })
        assert.ok(error instanceof GatewayError, String(error))
        const { facts } = error
        assert.deepEqual(
          { reason: error.reason, charged: facts.charged, mayRetry: facts.mayRetry ?? false, field: facts.field },
          { reason, charged, mayRetry: fixture.mayRetry, field: fixture.field },
        )
        assert.deepEqual([facts.status, facts.requestId], [status, 'id-1'])
        assert.equal(completedOf(events).length, fixture.pictures)
        const wait = facts.retryAt && Math.round((facts.retryAt.getTime() - Date.now()) / 1000)
        assert.ok(Math.abs((wait ?? 0) - (fixture.retryAfter ?? 0)) <= 2, `${wait} s`)
      })
    }
  })
}

test('the corpus has at least sixty answers and every reason that an answer can have', () => {
  const all = corpus.flatMap(({ fixtures }) => fixtures)
  assert.ok(all.length >= 60, String(all.length))
  const ours = new Set(['bad_image', 'unfetched', 'storage', 'interrupted'])
  assert.deepEqual(
    failureReasons.filter(reason => !ours.has(reason) && !all.some(fixture => fixture.reason === reason)),
    [],
  )
})

test('what charged something, or may have, is never sent again by itself', () => {
  for (const { fixtures } of corpus) {
    for (const { charged, mayRetry, body, chunks } of fixtures) {
      if (mayRetry) assert.equal(charged, 'no', JSON.stringify(body ?? chunks))
    }
  }
})

test('every reason has its sentence and next step in both languages, and no outage blames the content', () => {
  const outages = new Set(['rate_limited', 'concurrency', 'no_account', 'upstream', 'gateway_down', 'timeout'])
  for (const reason of failureReasons) {
    for (const part of ['failure', 'next']) {
      const key = `images.${part}.${reason}`
      assert.ok(hasWords(key), key)
      const words = languages.map(language => translator(language)(key as Key))
      assert.notEqual(words[0], words[1], key)
      if (outages.has(reason)) assert.doesNotMatch(words.join(' '), /prompt|content|policy|提示词|内容|违规/i, key)
    }
  }
})

test('each refusal of the contract is told as what it is: whose key, whose limit, whose account, whose fault', () => {
  const refusals = corpus.filter(({ file }) => ['handler.json', 'key-check.json'].includes(file))
  const unmatched: string[] = []
  for (const fixture of refusals.flatMap(({ fixtures }) => fixtures)) {
    const said = JSON.stringify(fixture.body)
    const truth = truths.find(([refusal]) => refusal.test(said))
    if (!truth) unmatched.push(said)
    for (const room of ['images', 'chat']) {
      const [en, zh] = languages.map(language => {
        const t = translator(language)
        const next = room === 'images' ? ` ${t(`images.next.${fixture.reason}`)}` : ''
        return t(`${room}.failure.${fixture.reason}` as Key) + next
      })
      if (truth) assert.match(en!, truth[1], `${room}: ${said}`)
      if (truth?.[2]) assert.doesNotMatch(en!, truth[2], `${room}: ${said}`)
      assert.match(zh!, /[\u4e00-\u9fff]/, `${room}: ${said}`)
    }
  }
  assert.deepEqual(unmatched, [])
})

/** What a refusal says → what is said of it, and what must not be. The first that fits counts. */
const truths: [refusal: RegExp, told: RegExp, not?: RegExp][] = [
  [/"USER_(NOT_FOUND|INACTIVE|NOT_ACTIVE)"/, /your account off/, /choose|create/i],
  [/API_KEY_EXPIRED/, /API key has expired/],
  [/API_KEY_QUOTA_EXHAUSTED|insufficient_quota/, /quota of your API key/],
  [/\d+ ?(小时|天)限额|api key 日限额/, /limiting requests right now/],
  [/platform|平台|for this user/, /quota of your account/, /quota of your (API )?key|another key|Raise/],
  [/API_KEY|INVALID_API_KEY/, /no longer accepts your API key|could not be reached/],
  [/ACCESS_DENIED/, /refuses the address you signed in from/],
  [/GROUP_|not assigned to any group|permission_error|not_found_error/, /no group that|declined on content rules/],
  [/SUBSCRIPTION|USAGE_LIMIT/, /subscription/],
  [/balance/i, /Your balance is used up/, /could not be reached/],
  [/INVALID_AUTH|requests-per-minute|rate-limited|rate limit/i, /limiting requests/, /quota|balance/],
  [/concurrency|pending requests/i, /Too many requests are running/],
  [/No available|temporarily unavailable"?,?.*api_error|api_error/, /no free upstream account/],
  [/model_not_found/, /No account of this key’s group offers this model/, /change the prompt/i],
  [/moderation|content_policy|content_filter/, /content rules/],
  [/upstream_error|incomplete_error|server_error|overloaded/, /behind the gateway failed/],
  [/invalid_request_error|too large|deprecated/, /did not accept this request/],
  [
    /billing_service|INTERNAL_ERROR|internal error|OVERLOADED|SERVICE_UNAVAILABLE/,
    /could not be reached, (or )?did not answer as it should/,
  ],
]

function titleOf({ about, body, chunks }: Fixture): string {
  const text = about ?? (typeof body === 'string' ? body : JSON.stringify(body ?? chunks))
  return text.replace(/\s+/g, ' ').slice(0, 110)
}

async function answer(res: ServerResponse, { status, headers, body, chunks, breaks }: Fixture): Promise<void> {
  res.writeHead(status, { ...headers, 'x-client-request-id': 'id-1' })
  if (!chunks) return void res.end(typeof body === 'string' ? body : JSON.stringify(body))
  // Each in a packet of its own.
  for (const chunk of chunks) await new Promise(resolve => res.write(chunk, resolve))
  if (breaks) res.destroy()
  else res.end()
}
