import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { atEnd } from '../testing/database.ts'
import { alice } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'
import { type SshPair, sshKeygen } from '../testing/ssh.ts'

const root = path.join(import.meta.dirname, '../..')
const run = promisify(execFile)
const app = await testApp()

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

/** What a page tells to type into a shell, on the machine where the private key is. */
async function shell(command: string, key: SshPair): Promise<string> {
  const home = await mkdtemp(path.join(tmpdir(), 'playground-home-'))
  atEnd(() => rm(home, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH ?? '', HOME: home }
  const { stdout } = await run('sh', ['-c', command.replace('~/.ssh/id_ed25519', key.file)], { env, cwd: root })
  return stdout
}

async function bind(page: Page, key: SshPair, name: string): Promise<void> {
  await page.goto('/agents')
  await page.fill('[name="name"]', name)
  await page.fill('[name="public_key"]', key.publicKey)
  await page.selectOption('[name="key_id"]', { index: 1 })
  await page.click('form[action="/agents"] button.primary')
  const command = (await page.textContent('#proof .command >> nth=0'))!
  assert.match(await shell(command, key), /"code":0/)
  await page.click('#proof a.button')
  await page.waitForSelector('#start .command')
}

test('a key is bound as the page says, and what a script makes with it is seen live on a page that was open before', {
  skip: noChromium,
}, async () => {
  const { page, context, complaints } = await openPage(browser, app.url, await alice(app))
  const key = await sshKeygen('ed25519')
  const watching = await context.newPage()
  await watching.goto('/images')
  await watching.waitForSelector('.empty')

  await bind(page, key, 'build server')
  const held = app.mock.control.fault({ match: { prompt: 'lighthouse' }, hold: 'after_partial' })
  const quickStart = (await page.textContent('#start .command'))!
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-made-'))
  atEnd(() => rm(folder, { recursive: true, force: true }))
  const made = shell(quickStart.replace('--output pictures/', `--output ${folder}/`), key)

  const tile = '#today .job:has-text("A lighthouse at dawn")'
  await watching.waitForSelector(`${tile}:has-text("by build server").state-running img.preview`)
  app.mock.control.release(held)
  await watching.waitForSelector(`${tile}.state-done .picture img`)
  assert.deepEqual(await watching.locator(tile).count(), 1)
  assert.equal(await watching.locator('.empty').isVisible(), false)
  const { files } = JSON.parse(await made) as { files: string[] }
  assert.equal(files.length, 1)
  assert.equal(path.dirname(files[0]!), folder)

  await page.reload()
  assert.equal(await page.locator('#recent .key-row:has-text("A lighthouse at dawn")').count(), 1)
  assert.equal(await page.locator('#tokens .key-row').count(), 1)
  assert.deepEqual(complaints, [])
})

test('without JavaScript a key is bound in the same way', { skip: noChromium }, async () => {
  const options = { javaScriptEnabled: false }
  const { page, complaints } = await openPage(browser, app.url, await alice(app), options)
  await bind(page, await sshKeygen('ed25519'), 'old laptop')
  assert.equal(await page.textContent('h1'), 'old laptop')
  assert.deepEqual(complaints, [])
})
