import { inspect } from 'node:util'

/**
 * A credential in clear: a gateway token or an API key. It prints, logs and serialises as `[secret]`;
 * only `reveal()` gives the text, at the place where a request header or a cipher needs it.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
