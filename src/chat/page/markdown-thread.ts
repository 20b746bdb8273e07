import { parentPort } from 'node:worker_threads'
import type { Env } from 'markdown-it'
import { startOfLastBlock, toHtml } from './markdown-html.ts'

/** A text, whole or as far as it has come. */
export interface Work {
  text: string
  highlights: boolean
  /** Of an answer that is being written: what its earlier blocks define. Only the blocks that are complete are rendered. */
  growing: Env | null
}

export interface Rendered {
  html: string
  /** How much of the text it is. */
  length: number
  growing: Env | null
}

parentPort?.on('message', ({ text, highlights, growing }: Work) => {
  const length = growing ? startOfLastBlock(text) : text.length
  const html = length > 0 ? toHtml(text.slice(0, length), { env: growing ?? {}, highlights }) : ''
  parentPort!.postMessage({ html, length, growing } satisfies Rendered)
})
parentPort?.postMessage('ready')
