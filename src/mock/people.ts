import { groupIds } from './groups.ts'
import type { Key, User } from './state.ts'

/** The e-mail names that act out; `name+anything@…` acts as `name@…` does. */
export const acts = {
  '2fa': ['is asked for a code: 123456', '需要两步验证码：123456'],
  admin: ['has the role admin', '管理员'],
  broke: ['has no balance', '余额为零'],
  late: ['has a balance that runs out while the call waits', '排队时余额耗尽'],
  nokeys: ['has no API key yet, and one group to make it in', '还没有密钥，有一个可用分组'],
  nogroups: ['has no API key and no group', '没有密钥，也没有可用分组'],
  noimages: ['has only a key whose group makes no pictures', '唯一的密钥所在分组不允许生成图片'],
  manygroups: ['has a key in every group, with own prices and a plan', '每个分组各有一个密钥'],
  expired: ['has an expired, an exhausted, an inactive and one good key', '过期、额度用完、停用及正常的密钥各一个'],
  nogroup: ['has a key without a group', '密钥没有分组'],
  blocked: ['has a key that refuses this address', '密钥的 IP 限制拒绝访问'],
  plan: ['has a key paid by subscription', '订阅制密钥'],
  busy: ['may run one call at a time', '同一时间只能运行一个请求'],
  slow: ['waits four times as long for everything', '一切都慢四倍'],
  disabled: ['cannot sign in: the account is disabled', '账号已被禁用'],
  wrong: ['cannot sign in: always the wrong password', '密码总是错误'],
  limited: ['cannot sign in: too many tries', '登录过于频繁'],
} as const

export type Act = keyof typeof acts | ''

function actOf(email: string): Act {
  const name = (email.split('@')[0] ?? '').split('+')[0] ?? ''
  return name in acts ? (name as Act) : ''
}

/** A new user and the keys they start with, by what their e-mail says. */
export function seedKeys(id: number, email: string): { user: User; keys: Partial<Key>[] } {
  const act = actOf(email)
  const user: User = {
    id,
    email,
    username: email.split('@')[0] ?? '',
    role: act === 'admin' ? 'admin' : 'user',
    balance: act === 'broke' ? 0 : 12.5,
    concurrency: act === 'busy' ? 1 : 5,
    status: act === 'disabled' ? 'disabled' : 'active',
    groupIds: [groupIds.openai, groupIds.studio, groupIds.text, groupIds.claude],
    subscriptionIds: [],
    rates: {},
    act,
    totp: act === '2fa',
    tokenVersion: 1,
    accessTokens: [],
    createdAt: new Date(),
  }
  const { openai, studio, text, claude, plan, halfPrice } = groupIds
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const lives: Partial<Record<Act, { groups?: number[]; keys: Partial<Key>[] }>> = {
    nokeys: { groups: [openai], keys: [] },
    nogroups: { groups: [], keys: [] },
    noimages: { groups: [text], keys: [{ name: 'Text only', group_id: text }] },
    nogroup: { keys: [{ name: 'Without a group' }] },
    blocked: { keys: [{ name: 'Office only', group_id: openai, ip_whitelist: ['203.0.113.7'] }] },
    plan: { groups: [plan], keys: [{ name: 'Plan', group_id: plan }] },
    manygroups: {
      groups: [openai, studio, text, claude, plan, halfPrice],
      keys: [
        { name: 'OpenAI', group_id: openai },
        { name: 'Studio', group_id: studio },
        { name: 'Text', group_id: text },
        { name: 'Claude', group_id: claude },
        { name: 'Plan', group_id: plan },
        { name: 'Half price', group_id: halfPrice },
      ],
    },
    expired: {
      keys: [
        { name: 'Old', group_id: openai, status: 'expired', expires_at: inDays(-3) },
        { name: 'Used up', group_id: openai, status: 'quota_exhausted', quota: 5, quota_used: 5 },
        { name: 'Switched off', group_id: openai, status: 'inactive' },
        { name: 'Good', group_id: openai },
      ],
    },
  }
  const life = lives[act]
  if (life?.groups) user.groupIds = life.groups
  if (act === 'plan' || act === 'manygroups') user.subscriptionIds = [plan]
  if (act === 'manygroups') user.rates = { [openai]: 0.75 }
  const usual = [
    { name: 'Main', group_id: openai },
    { name: 'Weekend', group_id: openai, quota: 20, quota_used: 1.25, expires_at: inDays(90) },
  ]
  return { user, keys: life?.keys ?? usual }
}
