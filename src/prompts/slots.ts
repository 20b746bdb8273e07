// `{place}`; what has a choice in it, `{red|blue}`, stands for several prompts instead.
const SLOT = /\{([^{}|\n]{1,60})\}/g

/** What a prompt leaves open, each once, in the order of the text. */
export function slotsOf(prompt: string): string[] {
  return [...new Set(Array.from(prompt.matchAll(SLOT), ([, name]) => name!.trim()))].filter(Boolean)
}

/** The prompt with `values` in place of what it leaves open; a slot without one stays as it is. */
export function fillSlots(prompt: string, values: readonly string[]): string {
  const slots = slotsOf(prompt)
  return prompt.replace(SLOT, (slot, name: string) => values[slots.indexOf(name.trim())]?.trim() || slot)
}
