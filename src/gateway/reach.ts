import { existsSync } from 'node:fs'
import { connect } from 'node:net'

const PATIENCE_MS = 5_000

/** Why nobody takes a connection, and what to do about it. */
export interface Unreachable {
  detail: string
  todo: string
}

/** Tries to connect to the gateway, and asks it nothing; null when it takes the connection. */
export async function findUnreachable(
  upstream: string,
  isContainer: boolean = inContainer(),
): Promise<Unreachable | null> {
  const { hostname, port, protocol } = new URL(upstream)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const why = await tryConnection(host, Number(port) || (protocol === 'https:' ? 443 : 80))
  if (why === null) return null
  return { detail: `the gateway at ${upstream} takes no connection: ${why}`, todo: todoAbout(host, isContainer) }
}

function todoAbout(host: string, isContainer: boolean): string {
  if (isContainer && /^(localhost|127\..*|::1)$/.test(host)) {
    return `${host} is this container itself, unless it has the network of its host: name the gateway's container in a network that both are in (docker-compose.example.yml), or take the network of the host (docker-compose.host.example.yml)`
  }
  if (host === 'host.docker.internal') {
    return 'a gateway that listens on 127.0.0.1 of the host takes nobody from a container: join its network (docker-compose.example.yml), or take that of the host (docker-compose.host.example.yml)'
  }
  return 'start the gateway, or mend SUB2API_UPSTREAM'
}

function tryConnection(host: string, port: number): Promise<string | null> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: PATIENCE_MS })
    const end = (why: string | null) => {
      socket.destroy()
      resolve(why)
    }
    socket.once('connect', () => end(null))
    socket.once('timeout', () => end(`nothing for ${PATIENCE_MS / 1000} seconds`))
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}

/** Of Docker, Podman or Kubernetes. */
function inContainer(): boolean {
  return ['/.dockerenv', '/run/.containerenv', '/var/run/secrets/kubernetes.io'].some(existsSync)
}
