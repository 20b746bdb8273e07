import { goTime } from './replies.ts'
import type { User } from './state.ts'

export function userOnTheWire(user: User) {
  return {
    id: user.id,
    email: user.email,
    username: user.username,
    role: user.role,
    balance: user.balance,
    frozen_balance: 0,
    concurrency: user.concurrency,
    status: user.status,
    allowed_groups: null,
    created_at: goTime(user.createdAt),
    updated_at: goTime(user.createdAt),
    balance_notify_enabled: false,
    balance_notify_threshold_type: '',
    balance_notify_threshold: null,
    balance_notify_extra_emails: null,
    total_recharged: 0,
    rpm_limit: 0,
  }
}

export function profileOf(user: User) {
  const providers = ['email', 'linuxdo', 'oidc', 'wechat', 'dingtalk']
  const identities = Object.fromEntries(
    providers.map(provider => {
      const bound = provider === 'email'
      return [provider, { provider, bound, bound_count: bound ? 1 : 0, can_bind: !bound, can_unbind: false }]
    }),
  )
  return {
    ...userOnTheWire(user),
    email_bound: true,
    linuxdo_bound: false,
    oidc_bound: false,
    wechat_bound: false,
    dingtalk_bound: false,
    identities,
    auth_bindings: identities,
    identity_bindings: identities,
  }
}
