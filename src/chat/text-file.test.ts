import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alice } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'

const app = await testApp()
const { db } = app

const utf16 = Buffer.from('a,b\n中文,1\n', 'utf16le')

const files: [name: string, bytes: Buffer, text: string][] = [
  ['gbk.csv', Buffer.from('d0d5c3fb2cbcdbb8f10ababcd6dd2c31320a', 'hex'), '姓名,价格\n杭州,12\n'],
  ['big5.csv', Buffer.from('a96da6572cbbf9aee60abb4fa55f2c31320a', 'hex'), '姓名,價格\n臺北,12\n'],
  ['sjis.csv', Buffer.from('96bc914f2c89bf8a690a938c8b9e2c31320a', 'hex'), '名前,価格\n東京,12\n'],
  [
    'eucjp.txt',
    Buffer.from('baa3c6fca4cfc5b7b5a4a4aca4a4a4a4a4cea4c7a1a2b8f8b1e0a4f2bbb6cae2a4b7a4dea4b9a1a30a', 'hex'),
    '今日は天気がいいので、公園を散歩します。\n',
  ],
  ['jis.txt', Buffer.from('1b24423a23467c244f1b28420a', 'hex'), '今日は\n'],
  [
    'french.txt',
    Buffer.from('507269783a20313220802c20636166e920e02047656ee876650a', 'hex'),
    'Prix: 12 €, café à Genève\n',
  ],
  ['utf16.csv', utf16, 'a,b\n中文,1\n'],
  ['utf16be.csv', Buffer.from(utf16).swap16(), 'a,b\n中文,1\n'],
  ['marked.csv', Buffer.concat([Buffer.from('fffe', 'hex'), Buffer.from('中文', 'utf16le')]), '中文'],
  ['utf8.csv', Buffer.from('\ufeff中文,1\n'), '中文,1\n'],
]

test('a text is read in whatever encoding it was saved', async () => {
  const person = await alice(app)
  const uploads = files.map(([name, bytes]) => [name, bytes] as const)
  const { html } = await person.upload('/chat/files', uploads, {}, { htmx: true })
  assert.deepEqual(
    html.querySelectorAll('.refused-file p').map(each => each.text.trim()),
    [],
  )
  const ids = html
    .querySelectorAll('[name="attachment"]')
    .map(each => each.getAttribute('value')!.slice('text:'.length))
  const { rows } = await db.pool.query<{ name: string; text: string }>(
    'select name, text from chat_texts where id = any($1)',
    [ids],
  )
  const read = new Map(rows.map(({ name, text }) => [name, text]))
  for (const [name, , text] of files) assert.equal(read.get(name), text, name)
})

test('what is no text says why: empty, too long, or not to be read', async () => {
  const person = await alice(app)
  const { html } = await person.upload(
    '/chat/files',
    [
      ['empty.txt', Buffer.alloc(0)],
      ['long.csv', Buffer.from('姓名,价格\n'.repeat(30_000))],
      ['longer.csv', Buffer.alloc(19 * 1024 * 1024, 'text ')],
      ['program.exe', Buffer.from([0x4d, 0x5a, 0x00, 0x01, 0xff])],
    ],
    {},
    { htmx: true },
  )
  const [empty, long, longer, program] = html.querySelectorAll('.refused-file p').map(each => each.text.trim())
  assert.match(empty!, /empty\.txt is empty/)
  assert.match(long!, /long\.csv is a text of more than 256 KB/)
  assert.match(longer!, /longer\.csv is a text of more than 256 KB/)
  assert.match(program!, /program\.exe is neither/)
})
