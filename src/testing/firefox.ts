import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

const found = [process.env.FIREFOX, '/usr/bin/firefox', '/usr/bin/firefox-esr'].find(file => file && existsSync(file))

/** Why tests in Firefox cannot run here; false where they can. `FIREFOX` names one that is not found by itself. */
export const noFirefox: string | false = found ? false : 'there is no Firefox here'

/** A tab, or a frame in one. */
interface Context {
  context: string
  url: string
  children: Context[] | null
}

export interface Firefox {
  /** Where downloads go. */
  downloads: string
  open(url: string): Promise<void>
  /** Tabs and frames as they are now. */
  contexts(): Promise<Context[]>
  /** The value of an expression there. */
  evaluate(context: string, expression: string): Promise<unknown>
  /** Presses on the first element, as a person would. */
  click(context: string, selector: string, options?: { control?: boolean }): Promise<void>
  close(): Promise<void>
}

/** Firefox as it is installed, spoken to in WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): Playwright drives only one of its own. */
export async function startFirefox(): Promise<Firefox> {
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-firefox-'))
  const downloads = path.join(folder, 'downloads')
  const preferences = { 'browser.download.folderList': 2, 'browser.download.dir': downloads }
  const lines = Object.entries(preferences).map(pair => `user_pref(${JSON.stringify(pair).slice(1, -1)});\n`)
  await writeFile(path.join(folder, 'user.js'), lines.join(''))
  const flags = ['--headless', '--no-remote', '--profile', folder, '--remote-debugging-port=0', 'about:blank']
  const child = spawn(found!, flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder } })
  const ended = new Promise(resolve => child.once('exit', resolve))
  const send = await connect(await addressOf(child.stderr))
  await send('session.new', { capabilities: {} })

  async function contexts(): Promise<Context[]> {
    const { contexts: top } = (await send('browsingContext.getTree', {})) as { contexts: Context[] }
    return top.flatMap(each => [each, ...(each.children ?? [])])
  }

  return {
    downloads,
    contexts,
    async open(url) {
      const [first] = await contexts()
      await send('browsingContext.navigate', { context: first!.context, url, wait: 'complete' })
    },
    async evaluate(context, expression) {
      const answer = await send('script.evaluate', { expression, target: { context }, awaitPromise: true })
      return (answer as { result?: { value?: unknown } }).result?.value
    },
    async click(context, selector, { control = false } = {}) {
      const located = await send('browsingContext.locateNodes', {
        context,
        locator: { type: 'css', value: selector },
        maxNodeCount: 1,
      })
      const [node] = (located as { nodes: { sharedId: string }[] }).nodes
      const origin = { type: 'element', element: { sharedId: node!.sharedId } }
      const keys = (type: string) => ({ type: 'key', id: 'keys', actions: [{ type, value: '\uE009' }] })
      const press = [
        { type: 'pointerMove', x: 0, y: 0, origin },
        ...['Down', 'Up'].map(way => ({ type: `pointer${way}`, button: 0 })),
      ]
      if (control) await send('input.performActions', { context, actions: [keys('keyDown')] })
      await send('input.performActions', { context, actions: [{ type: 'pointer', id: 'mouse', actions: press }] })
      if (control) await send('input.performActions', { context, actions: [keys('keyUp')] })
    },
    async close() {
      child.kill()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** It tells on which port it listens. */
async function addressOf(stderr: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface(stderr)
    lines.on('line', line => {
      const address = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1]
      if (address) resolve(address)
    })
    lines.once('close', () => reject(new Error('Firefox ended before it listened')))
  })
}

async function connect(address: string): Promise<(method: string, params: object) => Promise<unknown>> {
  const socket = new WebSocket(`${address}/session`)
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data)) as { id?: number; type: string; result?: unknown; message?: string }
    const asked = answer.id === undefined ? undefined : waiting.get(answer.id)
    if (answer.type === 'success') asked?.resolve(answer.result)
    else asked?.reject(new Error(answer.message))
  })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', () => reject(new Error('Firefox does not answer')))
  })
  let last = 0
  return async (method, params) => {
    const id = ++last
    const asked = Promise.withResolvers<unknown>()
    waiting.set(id, asked)
    socket.send(JSON.stringify({ id, method, params }))
    return asked.promise
  }
}
