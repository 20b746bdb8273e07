import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

// Of a picture that was still coming when its page was left; of those that are shown it is asked whether they were drawn.
const LEFT = 'Image corrupt or truncated.'

const found = [process.env.FIREFOX, '/usr/bin/firefox', '/usr/bin/firefox-esr'].find(file => file && existsSync(file))

/** Why tests in Firefox cannot run here; false where they can. `FIREFOX` names one that is not found by itself. */
export const noFirefox: string | false = found ? false : 'Firefox is not on this machine, and need not be'

/** A tab, or a frame in one. */
interface Context {
  context: string
  url: string
  children: Context[] | null
}

export interface Firefox {
  /** Where downloads go. */
  downloads: string
  /** Errors of scripts, and what a policy refused, in any page so far. */
  complaints: string[]
  open(url: string): Promise<void>
  back(context: string): Promise<void>
  /** Tabs and frames as they are now. */
  contexts(): Promise<Context[]>
  /** The value of an expression there. */
  evaluate(context: string, expression: string): Promise<unknown>
  /** Presses on the first element, as a person would. */
  click(context: string, selector: string, options?: { control?: boolean }): Promise<void>
  /** Strikes keys one after the other, each by its name or as what it writes; `Control+k` holds the first. */
  press(context: string, ...strokes: string[]): Promise<void>
  type(context: string, text: string): Promise<void>
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
  const complaints: string[] = []
  const send = await connect(await addressOf(child.stderr), ({ method, params }) => {
    const isComplaint = method === 'log.entryAdded' && params.level === 'error' && params.text !== LEFT
    if (isComplaint) complaints.push(String(params.text))
    if (method === 'script.message') complaints.push(JSON.stringify(params.data))
  })
  await send('session.new', { capabilities: {} })
  await send('session.subscribe', { events: ['log.entryAdded', 'script.message'] })
  await send('script.addPreloadScript', {
    functionDeclaration: `tell => addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      tell(violatedDirective + ' refused ' + blockedURI))`,
    arguments: [{ type: 'channel', value: { channel: 'refused' } }],
  })
  await send('browsingContext.setViewport', {
    context: (await contexts())[0]!.context,
    viewport: { width: 1280, height: 860 },
  })

  async function contexts(): Promise<Context[]> {
    const { contexts: top } = (await send('browsingContext.getTree', {})) as { contexts: Context[] }
    return top.flatMap(each => [each, ...(each.children ?? [])])
  }

  async function evaluate(context: string, expression: string): Promise<unknown> {
    const answer = await send('script.evaluate', { expression, target: { context }, awaitPromise: true })
    return (answer as { result?: { value?: unknown } }).result?.value
  }

  function perform(context: string, source: { type: string; id: string; actions: object[] }): Promise<unknown> {
    return send('input.performActions', { context, actions: [source] })
  }

  function strike(context: string, actions: object[]): Promise<unknown> {
    return perform(context, { type: 'key', id: 'keys', actions })
  }

  return {
    downloads,
    complaints,
    contexts,
    async open(url) {
      const [first] = await contexts()
      await send('browsingContext.navigate', { context: first!.context, url, wait: 'complete' })
    },
    async back(context) {
      await send('browsingContext.traverseHistory', { context, delta: -1 })
    },
    evaluate,
    async click(context, selector, { control = false } = {}) {
      const located = await send('browsingContext.locateNodes', {
        context,
        locator: { type: 'css', value: selector },
        maxNodeCount: 1,
      })
      const [node] = (located as { nodes: { sharedId: string }[] }).nodes
      // A pointer goes only where something can be seen.
      await send('script.callFunction', {
        functionDeclaration: `element => element.scrollIntoView({ block: 'nearest', behavior: 'instant' })`,
        arguments: [{ sharedId: node!.sharedId }],
        target: { context },
        awaitPromise: false,
      })
      const origin = { type: 'element', element: { sharedId: node!.sharedId } }
      const actions = [
        { type: 'pointerMove', x: 0, y: 0, origin },
        ...['Down', 'Up'].map(way => ({ type: `pointer${way}`, button: 0 })),
      ]
      if (control) await strike(context, [down('Control')])
      await perform(context, { type: 'pointer', id: 'mouse', actions })
      if (control) await strike(context, [up('Control')])
    },
    async press(context, ...strokes) {
      const struck = strokes.map(stroke => (stroke.length > 1 ? stroke.split('+') : [stroke]))
      await strike(
        context,
        struck.flatMap(keys => [...keys.map(down), ...keys.toReversed().map(up)]),
      )
    },
    async type(context, text) {
      await strike(
        context,
        text.split('').flatMap(letter => [down(letter), up(letter)]),
      )
    },
    async close() {
      child.kill()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** By the numbers that WebDriver gives to keys that write nothing. */
const named: Record<string, string> = {
  Control: '\uE009',
  Enter: '\uE007',
  Escape: '\uE00C',
  ArrowRight: '\uE014',
  ArrowDown: '\uE015',
}

function down(key: string): object {
  return { type: 'keyDown', value: named[key] ?? key }
}

function up(key: string): object {
  return { type: 'keyUp', value: named[key] ?? key }
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

interface Told {
  id?: number
  type: string
  method?: string
  params: Record<string, unknown>
  result?: unknown
  message?: string
}

async function connect(
  address: string,
  hear: (event: Told) => void,
): Promise<(method: string, params: object) => Promise<unknown>> {
  const socket = new WebSocket(`${address}/session`)
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data)) as Told
    if (answer.type === 'event') hear(answer)
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
