import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiKey, gather, scriptedServer } from '../testing/scripted-server.ts'
import { GatewayError } from './errors.ts'
import { retryAt } from './refusals.ts'

const handler = (type: string, message: string) => ({ error: { type, message } })

test('Retry-After may be seconds or a date, and nothing else', () => {
  const now = Date.parse('2026-08-21T00:00:00Z')
  assert.deepEqual(retryAt('30', now), new Date(now + 30_000))
  assert.deepEqual(retryAt('Fri, 21 Aug 2026 00:01:00 GMT', now), new Date(now + 60_000))
  assert.deepEqual(retryAt('999999999', now), new Date(now + 86_400_000))
  for (const header of ['', '0', '-5', 'soon', 'Thu, 20 Aug 2026 00:00:00 GMT'])
    assert.equal(retryAt(header, now), undefined)
})

test('the detail of a refusal has no credential in it', async t => {
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl'
  const { gateway } = await scriptedServer(t, (req, res) => {
    const message = `bad ${req.headers.authorization}; sk-proj-abcd1234; rt_${'ab'.repeat(32)}; ${jwt}; \u0000${'x'.repeat(5000)}`
    res.writeHead(400).end(JSON.stringify(handler('invalid_request_error', message)))
  })
  const { error } = await gather(gateway)
  assert.ok(error instanceof GatewayError)
  const detail = error.facts.detail ?? ''
  assert.match(detail, /^bad Bearer \[secret\]; \[secret\]; \[secret\]; \[secret\];/)
  assert.ok(!detail.includes(apiKey.reveal()) && !detail.includes('\u0000') && detail.length === 2000)
})

test('a refusal as long as a book is read to its beginning', async t => {
  const message = 'no lim 5h '.repeat(80_000)
  const { gateway } = await scriptedServer(t, (_req, res) => {
    res.writeHead(429).end(JSON.stringify(handler('rate_limit_error', message)))
  })
  const { error } = await gather(gateway)
  assert.ok(error instanceof GatewayError && error.facts.detail!.length <= 2_000)
})
