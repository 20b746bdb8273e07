import { startMockGateway } from './server.ts'

/**
 * The mock on its own: `PORT=… MOCK_LATENCY_MS=… node src/mock/main.ts`.
 * With MOCK_EXIT_WITH_PARENT=1 it ends when its standard input (or its IPC channel) closes.
 */
const mock = await startMockGateway({
  port: Number(process.env.PORT ?? 0),
  host: process.env.HOST ?? '127.0.0.1',
  latencyMs: Number(process.env.MOCK_LATENCY_MS ?? 4000),
  usageDelayMs: Number(process.env.MOCK_USAGE_DELAY_MS ?? 600),
  pictures: process.env.MOCK_FIXED_PICTURE === '1' ? 'fixed' : 'scene',
})
console.log(`mock gateway on ${mock.url}`)

async function stop() {
  await mock.close()
  process.exit(0)
}
process.once('SIGTERM', () => void stop())
process.once('SIGINT', () => void stop())
if (process.env.MOCK_EXIT_WITH_PARENT === '1') {
  process.once('disconnect', () => void stop())
  if (!process.connected) process.stdin.resume().once('close', () => void stop())
}
