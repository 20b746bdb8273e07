// Loaded before a process of the app: sets its clock forward or back when it is told to.
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
  const { jump } = message as { jump?: number }
  if (jump !== undefined) offset += jump
})
// The parent's line keeps nothing alive.
process.channel?.unref()
