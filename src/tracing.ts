import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'

/** A stop has better things to wait for than a collector that is away. */
const LAST_MS = 500
const TIMEOUT_MS = 2_000

/** A stretch of time that is over. */
interface Stretch {
  name: 'request' | 'gateway call' | 'picture job' | 'gateway picture' | 'gateway answer'
  /** Milliseconds since 1970, or what stands for them. */
  from: Date | number
  failed: boolean
  /** What it was about, by UUID: all of one is one trace, whose id that is. */
  subject?: string | undefined
  /** Names of routes and calls, codes and ids: never an address as it was asked for, a word of anybody, or a key. */
  facts: Readonly<Record<string, string | number>>
}

export interface Traces {
  /** Tells of what ends now. */
  tell(stretch: Stretch): void
  /** Sends what is left. */
  close(): Promise<void>
}

/**
 * Where an OTLP endpoint is named, what this process does is told there; else nothing of it is loaded. The provider is no
 * global one, so that only the four kinds above are told, and no library starts to tell of itself.
 */
export async function openTraces({ traces: to }: Pick<Config, 'traces'>, log: Logger): Promise<Traces> {
  if (!to) return { tell: () => undefined, close: async () => undefined }
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const exporter = new OTLPTraceExporter({
    url: `${to.endpoint}/v1/traces`,
    headers: { ...to.headers },
    timeoutMillis: TIMEOUT_MS,
  })
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'sub2api-playground' }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({ exporter, scheduledDelayMillis: 1000, exportTimeoutMillis: TIMEOUT_MS }),
    ],
  })
  const tracer = provider.getTracer('sub2api-playground')
  log.info({ endpoint: to.endpoint }, 'traces are told')
  return {
    tell({ name, from, failed, subject, facts }) {
      const span = tracer.startSpan(name, { startTime: from, attributes: facts }, contextOf(subject))
      if (failed) span.setStatus({ code: api.SpanStatusCode.ERROR })
      span.end()
    },
    async close() {
      const sent = provider.shutdown().catch(error => log.warn({ err: error }, 'traces could not be sent'))
      await Promise.race([sent, delay(LAST_MS, undefined, { ref: false })])
    },
  }

  function contextOf(subject: string | undefined) {
    const traceId = subject?.replaceAll('-', '') ?? ''
    if (!api.isValidTraceId(traceId)) return api.ROOT_CONTEXT
    const parent = { traceId, spanId: traceId.slice(16), traceFlags: api.TraceFlags.SAMPLED }
    return api.isSpanContextValid(parent) ? api.trace.setSpanContext(api.ROOT_CONTEXT, parent) : api.ROOT_CONTEXT
  }
}
