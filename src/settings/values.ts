import { z } from 'zod'
import { decoded } from '../storage/addresses.ts'
import { isNetwork } from '../web/network.ts'

/** How the values of variables are written; each refusal is the rest of a sentence that begins with the variable. */

export const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`))

export const oneOf = <const T extends string>(...values: T[]) =>
  z.enum(values, `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`)

export const yesOrNo = () => z.enum(['true', 'false'], 'must be true or false').transform(text => text === 'true')

const binaryUnits = ['', 'Ki', 'Mi', 'Gi', 'Ti']
export const amountOfBytes = () =>
  z
    .string()
    .regex(/^\d{1,15}(\.\d+)? ?([KMGT]i)?B?$/, 'must be an amount such as 10GiB or 500MiB')
    .transform(text => {
      const [, number, unit = ''] = /^([\d.]+) ?([KMGT]i)?B?$/.exec(text)!
      return Math.round(Number(number) * 1024 ** binaryUnits.indexOf(unit))
    })
    .pipe(z.number().min(1, 'must be more than nothing').max(Number.MAX_SAFE_INTEGER, 'is more than can be counted'))

/** As a number. */
export const dollars = () =>
  z
    .string()
    .regex(/^\$?\d{1,9}(\.\d{1,4})?$/, 'must be an amount of US dollars such as 25 or 2.50')
    .transform(text => Number(text.replace('$', '')))

/** Without slashes at the end. */
export const address = () =>
  z
    .string()
    .refine(text => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), {
      message: 'must be an http:// or https:// address',
      abort: true,
    })
    // They would be logged, and no client sends them on.
    .refine(text => !new URL(text).username && !new URL(text).password, 'must not have a user or a password in it')
    .transform(text => text.replace(/\/+$/, ''))

/** `name=value` pairs with commas between, values as in an address (OpenTelemetry's `OTEL_EXPORTER_OTLP_HEADERS`). */
export const headers = () =>
  z
    .string()
    .transform(text => text.split(',').map(pair => /^\s*([\w-]+)\s*=(.*)$/.exec(pair)))
    .refine(
      pairs => pairs.every(pair => pair !== null && decoded(pair[2]!) !== null),
      'must be name=value, separated by commas',
    )
    .transform(pairs => Object.fromEntries(pairs.map(pair => [pair![1]!, decoded(pair![2]!.trim())!])))

const none = 'none'
const listed = (text: string) => (text.trim() === none ? [] : text.split(',').map(part => part.trim()))

export const networks = () =>
  z
    .string()
    .transform(listed)
    .refine(
      list => list.every(isNetwork),
      `must be addresses and networks such as 10.0.0.0/8, separated by commas, or ${none}`,
    )

/** How many proxies stand in front, or the networks that they are in. */
export const proxies = () =>
  z
    .string()
    .transform(text => (/^\d+$/.test(text.trim()) ? Number(text) : listed(text)))
    .refine(
      trusted => (typeof trusted === 'number' ? trusted <= 10 : trusted.every(isNetwork)),
      `must be how many proxies stand in front (at most 10), or their networks such as 172.16.0.0/12, separated by commas, or ${none}`,
    )
    .refine(
      trusted => typeof trusted === 'number' || !trusted.some(network => network.endsWith('/0')),
      'must not be every address there is: anybody could then say who they are',
    )
    .transform(trusted => (Array.isArray(trusted) && trusted.length === 0 ? 0 : trusted))
