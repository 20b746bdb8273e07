import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { BadBase64 } from '../wire/base64.ts'
import { Unanswered } from './http.ts'
import { type Message, readMessages } from './picture-messages.ts'

const limits = { picture: 1024 * 1024, pictures: 4, text: 64 * 1024 }
const first = Buffer.from('the first picture, of 33 bytes...')
const second = randomBytes(1000)

const stream = Buffer.from(
  `: waiting\r\n\r\nevent: image_generation.partial_image\r\ndata: {"type":"image_generation.partial_image","partial_image_index":0,"b64_json":"${first.toString('base64')}","background":"opaque"}\r\n\r\n` +
    `:\n\ndata: {"b64_json":"${second.toString('base64').replaceAll('/', '\\/')}", "revised_prompt":"ein \\"Kätzchen\\" 猫 \\\\","type":"image_generation.completed"}\n\n` +
    `id: 7\nretry: 10\nevent:image_edit.completed\ndata:{"url":"data:image\\/png;base64,${first.toString('base64')}",\ndata:"usage":{"input_tokens":1}}\n\n` +
    'data: ping\n\nevent: image_generation.completed\rdata: {"url":"https://example.com/a,b.png","b64_json":null}\r\rdata: [DONE]\n\n',
)
const body = Buffer.from(
  ` \n \n{"created":1,"data":[{"b64_json":"${second.toString('base64').replace(/.{76}/g, '$&\\n')}","revised_prompt":"\\u732b \\\\"},\n` +
    `{"url" : "data:image/webp;charset=x;base64,${first.toString('base64url')}"},{"url":"https://example.com/b64_json"},{"b64_json":"\\u0041\\u0041==","x":"b64_json"}],"b64_json":"","size":"1024x1024"}`,
)

test('a stream gives the same events however it is cut', async () => {
  const whole = await read([stream])
  assert.deepEqual(whole, [
    {
      event: 'image_generation.partial_image',
      picture: first.toString('hex'),
      json: { type: 'image_generation.partial_image', partial_image_index: 0, b64_json: 0, background: 'opaque' },
    },
    {
      event: '',
      picture: second.toString('hex'),
      json: { b64_json: 0, revised_prompt: 'ein "Kätzchen" 猫 \\', type: 'image_generation.completed' },
    },
    { event: 'image_edit.completed', picture: first.toString('hex'), json: { url: 0, usage: { input_tokens: 1 } } },
    { event: 'image_generation.completed', picture: '', json: { url: 'https://example.com/a,b.png', b64_json: null } },
  ])
  for (let at = 1; at < stream.length; at++) {
    assert.deepEqual(await read([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`)
  }
  assert.deepEqual(await read(bytesOf(stream)), whole, 'byte by byte')
  for (let round = 0; round < 200; round++) assert.deepEqual(await read(randomCuts(stream)), whole)
})

test('a JSON body gives the same pictures however it is cut', async () => {
  const whole = await read([body])
  assert.deepEqual(whole, [
    {
      event: 'body',
      picture: `${second.toString('hex')}${first.toString('hex')}00`,
      json: {
        created: 1,
        data: [
          { b64_json: 0, revised_prompt: '猫 \\' },
          { url: 1 },
          { url: 'https://example.com/b64_json' },
          { b64_json: 2, x: 'b64_json' },
        ],
        b64_json: null,
        size: '1024x1024',
      },
    },
  ])
  for (let at = 1; at < body.length; at++) {
    assert.deepEqual(await read([body.subarray(0, at), body.subarray(at)]), whole, `cut at ${at}`)
  }
  assert.deepEqual(await read(bytesOf(body)), whole, 'byte by byte')
  for (let round = 0; round < 200; round++) assert.deepEqual(await read(randomCuts(body)), whole)
})

test('a body that stops early still hands over its whole pictures', async () => {
  const cut = body.subarray(0, body.indexOf('"url"') + 60)
  const seen: Message[] = []
  await assert.rejects(gatherInto(seen, [cut]), Unanswered)
  assert.equal(seen.length, 1)
  assert.equal(seen[0]!.kind, 'early')
  assert.deepEqual([...seen[0]!.pictures.values()], [second])
})

test('many large pictures of one body are not held together', async () => {
  const picture = Buffer.alloc(9 * 1024 * 1024, 7).toString('base64')
  const json = Buffer.from(`{"data":[{"b64_json":"${picture}"},{"b64_json":"${picture}"},{"b64_json":"${picture}"}]}`)
  const seen: Message[] = []
  await gatherInto(seen, pieces(json, 65_536), { ...limits, picture: 16 * 1024 * 1024 })
  assert.deepEqual(
    seen.map(message => [message.kind, [...message.pictures.keys()]]),
    [
      ['early', [0, 1]],
      ['body', [2]],
    ],
  )
})

for (const [what, bad] of [
  ['garbage in base64', 'AAAA*AAA'],
  ['base64 that goes on after its padding', 'AA==AAAA'],
  ['base64 that stops inside a byte', 'AAAAA'],
  ['an escape that is none', 'AA\\xAA'],
] as const) {
  test(`${what} spoils its own picture and no other`, async () => {
    const text = `{"data":[{"b64_json":"AAAA"},{"b64_json":"${bad}"},{"b64_json":"BBBB"}]}`
    for (const chunks of [[Buffer.from(text)], bytesOf(Buffer.from(text))]) {
      const seen: Message[] = []
      await gatherInto(seen, chunks)
      const [first, second, third] = [...seen[0]!.pictures.values()]
      assert.ok(second instanceof BadBase64)
      assert.deepEqual([first, third], [Buffer.from('AAAA', 'base64'), Buffer.from('BBBB', 'base64')])
    }
  })
}

for (const [what, text, error] of [
  ['a picture over the limit', `{"b64_json":"${Buffer.alloc(limits.picture + 3).toString('base64')}"}`, RangeError],
  ['more pictures than the limit', `{"data":[${'{"b64_json":"AAAA"},'.repeat(5)}{}]}`, RangeError],
  ['text over the limit', `{"x":"${'y'.repeat(limits.text)}"}`, RangeError],
  ['an event with text over the limit', `data: {"x":"${'y'.repeat(limits.text)}"}`, RangeError],
  ['braces around no JSON', '{nonsense}', SyntaxError],
] as const) {
  test(`${what} is refused`, async () => {
    await assert.rejects(gatherInto([], pieces(Buffer.from(text), 1000)), error)
    await assert.rejects(gatherInto([], [Buffer.from(text)]), error)
  })
}

test('a page, an empty reply and comments alone have no messages', async () => {
  for (const text of ['<!doctype html><p>data: {"a":1}', '', '  \n', ':\n\n:\n\n', 'data\n\n', 'data: \n\n']) {
    assert.deepEqual(await read([Buffer.from(text)]), [], text)
  }
})

async function read(chunks: Buffer[]) {
  const seen: Message[] = []
  await gatherInto(seen, chunks)
  return seen
    .map(message => ({
      event: message.kind === 'event' ? message.event : message.kind,
      picture: Buffer.concat([...message.pictures.values()].filter(Buffer.isBuffer)).toString('hex'),
      json: message.kind === 'early' ? null : message.json,
    }))
    .filter(message => message.json !== null)
}

async function gatherInto(seen: Message[], chunks: Buffer[], bounds = limits) {
  async function* arrive() {
    yield* chunks
  }
  for await (const message of readMessages(arrive(), new Set(['b64_json']), bounds)) seen.push(message)
}

const bytesOf = (buffer: Buffer) => pieces(buffer, 1)

function pieces(buffer: Buffer, size: number) {
  return Array.from({ length: Math.ceil(buffer.length / size) }, (_, i) => buffer.subarray(i * size, (i + 1) * size))
}

function randomCuts(buffer: Buffer) {
  const cuts = Array.from({ length: 1 + Math.floor(Math.random() * 12) }, () =>
    Math.floor(Math.random() * buffer.length),
  )
  const borders = [0, ...cuts.sort((a, b) => a - b), buffer.length]
  return borders.slice(1).map((end, i) => buffer.subarray(borders[i], end))
}
