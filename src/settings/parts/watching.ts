import { z } from 'zod'
import { about, titles } from '../about.ts'
import { address, headers, networks, oneOf } from '../values.ts'

export const Watching = z
  .object({
    PLAYGROUND_METRICS_NETWORKS: networks()
      .prefault('127.0.0.0/8,::1/128')
      .register(about, {
        meaning: [
          'from where `/metrics` is answered, by the address of the connection; `none`: from nowhere',
          '允许从哪些网段读取 `/metrics`，以连接本身的地址为准；`none` 表示都不允许',
        ],
      }),
    PLAYGROUND_METRICS_TOKEN: z
      .string()
      .min(16, 'must have at least 16 characters')
      .optional()
      .register(about, {
        meaning: [
          'bearer token that reads `/metrics` from anywhere; at least 16 characters',
          '可从任何地方读取 `/metrics` 的 bearer 令牌，至少 16 个字符',
        ],
        secret: true,
      }),
    OTEL_EXPORTER_OTLP_ENDPOINT: address()
      .optional()
      .register(about, {
        meaning: [
          'where traces go, as OTLP over HTTP, e.g. `http://127.0.0.1:4318`; without it nothing of them is loaded',
          'trace 的去处（OTLP over HTTP），例如 `http://127.0.0.1:4318`；不设则完全不加载',
        ],
      }),
    OTEL_EXPORTER_OTLP_HEADERS: headers()
      .optional()
      .register(about, {
        meaning: [
          'headers to send there, `name=value` with commas between, such as `authorization=Bearer%20…`',
          '发送时附带的请求头，`name=value`，用逗号分隔，例如 `authorization=Bearer%20…`',
        ],
        secret: true,
      }),
    LOG_LEVEL: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent')
      .prefault('info')
      .register(about, {
        meaning: [
          '`fatal`, `error`, `warn`, `info`, `debug` or `silent`; lines of JSON on standard output',
          '`fatal`、`error`、`warn`、`info`、`debug` 或 `silent`；日志以 JSON 行写到标准输出',
        ],
      }),
  })
  .register(titles, { title: ['Watching it', '观测'] })
