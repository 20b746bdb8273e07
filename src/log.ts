import pino from 'pino'

export type Logger = pino.Logger

/** One JSON object per line, on stdout unless told otherwise. Bodies and headers are never logged; what is named like a secret is blanked. */
export function createLog(level: string, destination?: pino.DestinationStream): Logger {
  const names = ['password', 'token', 'secret', 'authorization', 'cookie', 'key', 'accessToken', 'refreshToken']
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: label => ({ level: label }) },
    // Postgres tells the whole row that it refused.
    redact: {
      paths: ['err.detail', ...names.flatMap(name => [name, `*.${name}`, `*.*.${name}`])],
      censor: '[redacted]',
    },
  }
  return destination ? pino(options, destination) : pino(options)
}
