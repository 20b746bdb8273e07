// `{red|blue}`; braces around anything else are words like others.
const CHOICE = /\{([^{}|]*(?:\|[^{}|]*)+)\}/g

/** How many prompts `{red|blue} car` stands for: 1 without a choice in it. */
export function countChoices(prompt: string): number {
  return [...prompt.matchAll(CHOICE)].reduce((count, [, inner]) => count * inner!.split('|').length, 1)
}

/** All of them, the first choice changing last; as many as `countChoices` says. */
export function takeChoices(prompt: string): string[] {
  const [choice] = prompt.matchAll(CHOICE)
  if (!choice) return [prompt]
  const before = prompt.slice(0, choice.index)
  const rest = takeChoices(prompt.slice(choice.index + choice[0].length))
  return choice[1]!.split('|').flatMap(each => rest.map(after => `${before}${each.trim()}${after}`))
}
