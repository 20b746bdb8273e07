import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Every number this process reports on `/metrics`, declared once. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  return {
    registry,
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
    pictures: new Counter({ name: 'playground_pictures_total', help: 'Pictures stored', registers }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
