/** What somebody who has made nothing yet may start from: drawings in `public/examples`, prompts under `images.examples`. */
export const examples = [
  { name: 'lighthouse', size: '1536x1024' },
  { name: 'fox', size: '1024x1024' },
  { name: 'teahouse', size: '1024x1536' },
  { name: 'robot', size: '1024x1024' },
] as const

export type ExampleName = (typeof examples)[number]['name']
