import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Every number this process reports on `/metrics`, declared once. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const { own, others, text } = sharing(registry)
  return {
    own,
    others,
    text,
    contentType: registry.contentType,
    requests: new Histogram({
      name: 'playground_http_request_seconds',
      help: 'Time to answer a request, by route and status class',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    gatewayCalls: new Histogram({
      name: 'playground_gateway_call_seconds',
      help: 'Time of a call to the gateway, by call and outcome',
      labelNames: ['call', 'outcome'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 180, 600],
      registers,
    }),
    jobsFinished: new Counter({
      name: 'playground_image_jobs_finished_total',
      help: 'Picture jobs that ended, by state and reason',
      labelNames: ['state', 'reason'],
      registers,
    }),
    jobsRunning: new Gauge({
      name: 'playground_image_jobs_running',
      help: 'Picture jobs this process is making now',
      registers,
    }),
    repliesFinished: new Counter({
      name: 'playground_chat_replies_finished_total',
      help: 'Answers that ended, by state and reason',
      labelNames: ['state', 'reason'],
      registers,
    }),
    repliesRunning: new Gauge({
      name: 'playground_chat_replies_running',
      help: 'Answers this process is writing now',
      registers,
    }),
    exportsRunning: new Gauge({
      name: 'playground_exports_running',
      help: 'Exports this process is making now',
      registers,
    }),
    importsRunning: new Gauge({
      name: 'playground_imports_running',
      help: 'Imports this process is taking apart now',
      registers,
    }),
    streams: new Gauge({ name: 'playground_event_streams', help: 'Event streams that pages keep open', registers }),
    spilledPictures: new Gauge({
      name: 'playground_spill_pictures',
      help: 'Paid pictures that wait on the disk of this worker for the store',
      registers,
    }),
    spilledBytes: new Gauge({ name: 'playground_spill_bytes', help: 'Their bytes', registers }),
    spillLimit: new Gauge({
      name: 'playground_spill_limit_bytes',
      help: 'At so many bytes no new picture is begun',
      registers,
    }),
    paidCalls: new Counter({
      name: 'playground_paid_calls_total',
      help: 'Calls whose bill has come, by kind and by the verdict on what was asked, delivered and billed',
      labelNames: ['kind', 'verdict'],
      registers,
    }),
    estimated: new Counter({
      name: 'playground_estimated_usd_total',
      help: 'US dollars that were told before calls whose bill has come',
      registers,
    }),
    misestimated: new Counter({
      name: 'playground_misestimated_usd_total',
      help: 'US dollars by which the bills of those calls missed that, above or below',
      registers,
    }),
    pictureSeconds: new Histogram({
      name: 'playground_picture_seconds',
      help: 'Time of a paid call that brought a picture, by model and by group of the key: the first twenty of each, then other',
      labelNames: ['model', 'group'],
      buckets: [1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200],
      registers,
    }),
    pictures: new Counter({ name: 'playground_pictures_total', help: 'Pictures stored', registers }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>

/** Numbers of one process, as it tells them to another. */
type Told = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

const OURS = 'playground_'

/** The numbers of helpers are summed up with those of the process that they help, also when they have ended. */
function sharing(registry: Registry) {
  const askers: (() => Promise<void>)[] = []
  const told = new Set<{ now: Told }>()
  let ended: Told = []

  const own = async (): Promise<Told> => (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith(OURS))
  const sum = (all: Told[]) => AggregatorRegistry.aggregate(all)

  return {
    own,
    /** Has `ask` called before the numbers are told; what it hears is kept. */
    others(ask: () => Promise<void>) {
      const heard: { now: Told } = { now: [] }
      askers.push(ask)
      told.add(heard)
      return {
        keep(message: unknown): void {
          if (Array.isArray(message)) heard.now = message as Told
        },
        /** It has ended: what it counted stays. */
        async settle(): Promise<void> {
          const last = heard.now
          heard.now = []
          if (last.length > 0) ended = await sum([ended, last]).getMetricsAsJSON()
        },
      }
    },
    /** Everything, in Prometheus' own format. */
    async text(): Promise<string> {
      await Promise.all(askers.map(ask => ask()))
      const others = [ended, ...[...told].map(({ now }) => now)].filter(each => each.length > 0)
      if (others.length === 0) return registry.metrics()
      const mine = registry.getMetricsAsArray().filter(({ name }) => !name.startsWith(OURS))
      const texts = await Promise.all(mine.map(({ name }) => registry.getSingleMetricAsString(name)))
      return `${texts.join('\n\n')}\n\n${await sum([await own(), ...others]).metrics()}`
    },
  }
}
