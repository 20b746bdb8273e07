// Loaded before a process of the app: sets its clock forward or back when it is told to, and says that it is there when asked.
const Real = Date
let offset = 0

globalThis.Date = class extends Real {
  constructor(...given: [] | [value: number | string | Date]) {
    super(...((given.length === 0 ? [Real.now() + offset] : given) as [number]))
  }

  static override now(): number {
    return Real.now() + offset
  }
} as DateConstructor

process.on('message', message => {
  const { jump, answer } = message as { jump?: number; answer?: true }
  if (jump !== undefined) offset += jump
  if (answer) process.send?.({ answer })
})
// The parent's line keeps nothing alive.
process.channel?.unref()
