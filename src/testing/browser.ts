import { type HTMLElement, parse } from 'node-html-parser'
import supertest from 'supertest'

export interface Page {
  status: number
  headers: Record<string, string>
  text: string
  body: Buffer
  /** Where a redirect leads; empty without one. */
  location: string
  html: HTMLElement
}

/** A person's browser: keeps cookies, names its origin, sends forms, and follows no redirect unless told to. */
export interface Browser {
  get(path: string, options?: Visit): Promise<Page>
  head(path: string, options?: Visit): Promise<Page>
  /** Like `get`, then after every redirect to the end. */
  open(path: string, options?: Visit): Promise<Page>
  post(path: string, form?: Record<string, string>, options?: Visit): Promise<Page>
  /** A multipart form, as a browser sends one that has files chosen in its field `file`. */
  upload(
    path: string,
    files: readonly (readonly [name: string, bytes: Buffer])[],
    form?: Record<string, string>,
    options?: Visit,
  ): Promise<Page>
  /** A body as it stands; urlencoded unless the headers say otherwise. */
  postRaw(path: string, body: string, options?: Visit): Promise<Page>
  /** A cookie's value as the server set it; undefined when it has none. */
  cookie(name: string): string | undefined
}

export interface Visit {
  /** Ask as htmx does: the answer is a fragment. */
  htmx?: boolean
  headers?: Record<string, string>
}

/** `seen` hears of every answer, for the scan for secrets. */
export function openBrowser(url: string, seen: (what: string, text: string) => void): Browser {
  const agent = supertest.agent(url)
  const cookies = new Map<string, string>()

  async function send(
    method: 'get' | 'head' | 'post',
    path: string,
    form: Record<string, string> | string | undefined,
    visit: Visit,
    files?: readonly (readonly [name: string, bytes: Buffer])[],
  ) {
    const request = agent[method](path)
      .redirects(0)
      .ok(() => true)
      .buffer(true)
      .parse((res, done) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('end', () => done(null, Buffer.concat(chunks)))
      })
      .set({
        Accept: 'text/html',
        'Accept-Language': 'en',
        'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0 test',
        'Sec-Fetch-Site': 'same-origin',
        Origin: url,
        ...(visit.htmx ? { 'HX-Request': 'true', 'HX-Current-URL': `${url}/images` } : {}),
        ...visit.headers,
      })
    if (files) {
      for (const [name, bytes] of files) request.attach('file', bytes, name)
      for (const [name, value] of Object.entries(form ?? {})) request.field(name, value)
    } else if (form !== undefined) {
      if (!visit.headers?.['Content-Type']) request.type('form')
      request.send(form)
    }
    const res = await request
    const headers = res.headers as Record<string, string>
    for (const line of [headers['set-cookie'] ?? []].flat()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    // A HEAD has no body that could be parsed.
    const body = Buffer.isBuffer(res.body) ? res.body : Buffer.alloc(0)
    const text = /^(text|application\/json|image\/svg)/.test(headers['content-type'] ?? '') ? body.toString('utf8') : ''
    seen(`${method} ${path}`, `${JSON.stringify(headers)}\n${text}`)
    const page: Page = {
      status: res.status,
      headers,
      text,
      body,
      location: headers.location ?? '',
      html: parse(text),
    }
    return page
  }

  const browser: Browser = {
    get: (path, visit = {}) => send('get', path, undefined, visit),
    head: (path, visit = {}) => send('head', path, undefined, visit),
    async open(path, visit = {}) {
      let page = await browser.get(path, visit)
      for (let hops = 0; page.location && hops < 10; hops++) page = await browser.get(page.location, visit)
      return page
    },
    post: (path, form = {}, visit = {}) => send('post', path, form, visit),
    upload: (path, files, form = {}, visit = {}) => send('post', path, form, visit, files),
    postRaw: (path, body, visit = {}) => send('post', path, body, visit),
    cookie: name => cookies.get(name),
  }
  return browser
}
