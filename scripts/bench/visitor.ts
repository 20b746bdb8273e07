import { Agent, request } from 'node:http'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Milliseconds until the last byte. */
  ms: number
  /** Bytes that came over the connection: status line, headers and body as sent. */
  wire: number
}

/** A browser on one connection: keeps cookies, asks one thing at a time. */
export interface Visitor {
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Answer>
  /** A text file in the field `file`. */
  upload(path: string, text: string): Promise<Answer>
  /** For a request that is made otherwise: its header, and its connection. */
  cookies(): string
  agent: Agent
}

export function visitor(url: string): Visitor {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const cookies = new Map<string, string>()

  const cookieHeader = () => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')

  function ask(method: string, path: string, body: string, headers: Record<string, string>): Promise<Answer> {
    const started = performance.now()
    return new Promise((resolve, reject) => {
      let received = () => 0
      const sent = request(new URL(path, url), {
        agent,
        method,
        headers: {
          Accept: 'text/html',
          'Accept-Language': 'en',
          'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0 bench',
          'Sec-Fetch-Site': 'same-origin',
          Cookie: cookieHeader(),
          ...(body && {
            'Content-Type': 'application/x-www-form-urlencoded',
            'Content-Length': String(Buffer.byteLength(body)),
          }),
          ...headers,
        },
      })
      sent.once('socket', socket => {
        const before = socket.bytesRead
        received = () => socket.bytesRead - before
      })
      sent.once('error', reject)
      sent.once('response', answer => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          for (const line of answer.headers['set-cookie'] ?? []) {
            const pair = line.split(';')[0]!
            cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
          }
          const ms = performance.now() - started
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ status: answer.statusCode!, headers: answer.headers, text, ms, wire: received() })
        })
      })
      sent.end(body)
    })
  }

  return {
    get: (path, headers = {}) => ask('GET', path, '', headers),
    post: (path, form, headers = {}) => ask('POST', path, new URLSearchParams(form).toString(), headers),
    upload(path, text) {
      const head = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'
      const body = `--between\r\n${head}\r\n\r\n${text}\r\n--between--\r\n`
      return ask('POST', path, body, { 'Content-Type': 'multipart/form-data; boundary=between' })
    },
    cookies: cookieHeader,
    agent,
  }
}
