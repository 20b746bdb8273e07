import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** A line to a server that can be cut, held, and mended. */
export interface Gate {
  port: number
  /** Ends what is connected, and takes nobody until it is mended. */
  cut(): void
  /** Lets nothing through, without a word to either end. */
  hold(): void
  mend(): void
  close(): void
}

export async function openGate(host: string, port: number): Promise<Gate> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let state: 'open' | 'cut' | 'held' = 'open'

  const server = createServer({ pauseOnConnect: true }, near => {
    near.on('error', () => {})
    if (state === 'cut') return void near.destroy()
    const far = connect(port, host)
    far.on('error', () => near.destroy())
    const pair = [near, far] as const
    pairs.add(pair)
    near.on('data', chunk => void far.write(chunk))
    far.on('data', chunk => void near.write(chunk))
    near.once('end', () => far.end())
    far.once('end', () => near.end())
    for (const [one, other] of [pair, [far, near] as const])
      one.once('close', () => {
        other.destroy()
        pairs.delete(pair)
      })
    if (state === 'held') far.pause()
    else near.resume()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))

  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = 'cut'
      for (const [near, far] of pairs) {
        near.destroy()
        far.destroy()
      }
    },
    hold() {
      state = 'held'
      for (const pair of pairs) for (const socket of pair) socket.pause()
    },
    mend() {
      state = 'open'
      for (const pair of pairs) for (const socket of pair) socket.resume()
    },
    close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      server.close()
    },
  }
}
