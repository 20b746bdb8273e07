import { type Config, ConfigError, loadConfig } from './config.ts'
import { createLog, type Logger } from './log.ts'
import { proveWritable } from './writable.ts'

/** Runs what `start` starts until a signal comes, or whoever started this process for itself is gone. */
export async function runProcess(
  start: (config: Readonly<Config>, log: Logger) => Promise<{ stop(): Promise<void> }>,
): Promise<void> {
  let config: Readonly<Config>
  try {
    config = loadConfig()
    proveWritable(config)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 78
    return
  }
  const log = createLog(config.logLevel)
  const running = await start(config, log)
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      log.info({ signal }, 'stopping')
      running.stop().then(
        () => process.exit(0),
        error => {
          log.fatal({ err: error }, 'stopping failed')
          process.exit(1)
        },
      )
    })
  }
}
