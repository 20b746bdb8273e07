import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pictureScanner } from '../wire/picture-scanner.ts'
import { addressKeys, itemsOf, pictureKeys, placeOf } from './picture-places.ts'

const limits = { picture: 1024, pictures: 8, text: 4096 }
const png = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex')
const base64 = png.toString('base64')
const address = 'https://pictures.example/1.png'

/** What the items of a reply carry: bytes as hex, or an address. */
function carried(text: string, cut = text.length) {
  const scanner = pictureScanner(pictureKeys, limits, { addressKeys })
  const reply = Buffer.from(text)
  scanner.write(reply.subarray(0, cut))
  scanner.write(reply.subarray(cut))
  return itemsOf(scanner.parse() as Record<string, unknown>).map(item => {
    const place = placeOf(item)
    const picture = typeof place === 'number' ? scanner.pictures.get(place) : place
    return Buffer.isBuffer(picture) ? picture.toString('hex') : picture
  })
}

const inline: [what: string, reply: string][] = [
  ['a data URL under b64_json', `{"data":[{"b64_json":"data:image/png;base64,${base64}"}]}`],
  [
    'the same with its slashes escaped',
    `{"data":[{"b64_json":"data:image\\/png;base64,${base64.replaceAll('/', '\\/')}"}]}`,
  ],
  ['plain base64 under url', `{"data":[{"url":"${base64}"}]}`],
  ['plain base64 after a line feed', `{"data":[{"url":"\\r\\n ${base64}"}]}`],
  ['characters written as numbers', `{"data":[{"url":"\\u0069${base64.slice(1)}"}]}`],
  ...['b64', 'base64', 'image_base64', 'image_b64', 'base64_image', 'image', 'result', 'output'].map(
    (name): [string, string] => [`the name ${name}`, `{"data":[{"${name}":"${base64}","revised_prompt":"x"}]}`],
  ),
  ['an object inside the item', `{"data":[{"image":{"url":"data:image/png;base64,${base64}"}}]}`],
  ['an image_url as in chats', `{"data":[{"type":"image","image_url":{"url":"${base64}"}}]}`],
  ['a list of strings', `{"images":["${base64}"]}`],
  ['a list of strings under data', `{"created":1,"data":["data:image/png;base64,${base64}"]}`],
  ['artifacts', `{"artifacts":[{"base64":"${base64}","seed":7}]}`],
  ['one picture without a list', `{"created":1,"image":"${base64}"}`],
  ['an address beside it', `{"data":[{"url":"${address}","b64_json":"${base64}"}]}`],
]
for (const [what, reply] of inline) {
  test(`a picture is found: ${what}`, () => {
    for (let cut = 0; cut <= reply.length; cut++)
      assert.deepEqual(carried(reply, cut), [png.toString('hex')], String(cut))
  })
}

const addresses: [what: string, reply: string, place: string | null][] = [
  ['under url', `{"data":[{"url":"${address}","b64_json":null}]}`, address],
  ['in a list of strings', `{"data":["${address}"]}`, address],
  ['in an object', `{"data":[{"image":{"url":"${address}"}}]}`, address],
  ['under output', `{"output":["${address}"]}`, address],
  ['without a host', `{"data":[{"url":"files/1.png"}]}`, 'files/1.png'],
  ['words under a name that may hold an address', `{"result":"ok","image":"a cat"}`, null],
  ['a prompt', `{"data":[{"revised_prompt":"https://x.example"}]}`, null],
  ['an empty address', `{"data":[{"url":""}]}`, null],
]
for (const [what, reply, place] of addresses) {
  test(`an address is found, or none: ${what}`, () => {
    for (let cut = 0; cut <= reply.length; cut++) assert.deepEqual(carried(reply, cut), [place], String(cut))
  })
}
