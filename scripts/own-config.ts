import { type Config, ConfigError, loadConfig } from '../src/config.ts'

/** The configuration of this command, or its end: code 78, a sentence per mistake. */
export function ownConfig(): Readonly<Config> {
  try {
    return loadConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(78)
  }
}
