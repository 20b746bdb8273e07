import type { Random } from './random.ts'
import type { Torn } from './site.ts'

/** Something goes wrong; what it returns, if anything, puts it right again. */
type Disaster = (torn: Torn, random: Random) => Promise<(() => Promise<void> | void) | void>

/** What the gateway does to the next calls of whoever it is. */
const moods = [
  { cut: 'before_headers' },
  { cut: 'after_partial' },
  { cut: 'mid_picture' },
  { cut: 'after_completed' },
  { end: 'before_completed' },
  { error: { at: 'after_partial' } },
  { error: { at: 'before_headers' } },
  { delayMs: 1500 },
  { slower: 4 },
  { reply: 'panel_error' },
  { reply: 'proxy_502' },
  { reply: 'proxy_504' },
  { reply: 'rate_limited' },
  { noClientRequestId: true },
  { deliver: 1 },
  { as: 'json' },
  { as: 'json_as_stream' },
  { blanks: 2 },
] as const

export const disasters: Record<string, Disaster> = {
  async kill(torn, random) {
    const member = random.pick(torn.members)
    if (!member.child) return
    await torn.stop(member, 'SIGKILL')
    return () => torn.start(member)
  },
  async restart(torn, random) {
    const member = random.pick(torn.members)
    if (!member.child) return
    await torn.stop(member, 'SIGTERM')
    await torn.start(member)
  },
  async freeze(torn, random) {
    const member = random.pick(torn.members)
    if (!member.child) return
    member.child.kill('SIGSTOP')
    member.frozen = true
    return () => {
      member.child?.kill('SIGCONT')
      member.frozen = false
    }
  },
  async cut(torn, random) {
    const gate = torn.gates[random.pick(['database', 'gateway', 'store'] as const)]
    gate.cut()
    return () => gate.mend()
  },
  async hold(torn, random) {
    const gate = torn.gates[random.pick(['database', 'gateway', 'store'] as const)]
    gate.hold()
    return () => gate.mend()
  },
  async jump(torn, random) {
    const jump = random.pick([-3_600_000, -5_000, 5_000, 3_600_000])
    const member = random.pick(torn.members)
    member.child?.send({ jump })
    return () => void member.child?.send({ jump: -jump })
  },
  async mood(torn, random) {
    torn.mock.control.fault({ ...random.pick(moods), times: 1 + random.below(3) })
  },
  async gatewayDies(torn) {
    if (torn.gatewayIsDown) return
    torn.gatewayIsDown = true
    await torn.mock.goDown()
    return async () => {
      await torn.mock.comeBack()
      torn.gatewayIsDown = false
    }
  },
  async tokensExpire(torn, random) {
    torn.mock.control.expireAccessTokens(random.pick([...torn.mock.state.users.values()]).email)
  },
}
