export interface Group {
  id: number
  name: string
  description: string
  platform: string
  status: string
  subscription_type: 'standard' | 'subscription'
  rate_multiplier: number
  /** Absent in old gateways, and then allowed. */
  allow_image_generation?: boolean
  image_rate_independent: boolean
  image_rate_multiplier: number
  image_price_1k: number | null
  image_price_2k: number | null
  image_price_4k: number | null
  /** Not on the wire: how the group's upstream account answers about pictures, and the only models it maps, if not all. */
  flavour: 'oauth' | 'api_key'
  models?: string[]
  [field: string]: unknown
}

export const groupIds = { openai: 10, studio: 11, text: 12, claude: 13, plan: 14, halfPrice: 15 }

/** The matrix of groups: prices by default and by the group, a multiplier for pictures, none, another platform, a plan. */
export function createGroups(): Map<number, Group> {
  const groups = [
    group(groupIds.openai, 'OpenAI', 'Text and pictures at the default prices'),
    group(groupIds.studio, 'Studio', 'Its own picture prices; relays an API key of OpenAI', {
      flavour: 'api_key',
      rate_multiplier: 1.5,
      image_rate_independent: true,
      image_rate_multiplier: 0.8,
      image_price_1k: 0.1,
      image_price_2k: 0.15,
      image_price_4k: 0.25,
    }),
    group(groupIds.text, 'OpenAI text', 'No pictures', { allow_image_generation: false }),
    group(groupIds.claude, 'Claude', 'Another platform', { platform: 'anthropic' }),
    group(groupIds.plan, 'Monthly plan', 'Paid by subscription', {
      subscription_type: 'subscription',
      monthly_limit_usd: 50,
    }),
    group(groupIds.halfPrice, 'OpenAI half price', 'The multiplier of the group counts', { rate_multiplier: 0.5 }),
  ]
  return new Map(groups.map(each => [each.id, each]))
}

/** A group as the panel shows it. */
export function groupOnTheWire({ flavour: _flavour, models: _models, ...fields }: Group) {
  return fields
}

function group(id: number, name: string, description: string, given: Partial<Group> = {}): Group {
  return {
    id,
    name,
    description,
    platform: 'openai',
    rate_multiplier: 1,
    is_exclusive: false,
    status: 'active',
    subscription_type: 'standard',
    daily_limit_usd: null,
    weekly_limit_usd: null,
    monthly_limit_usd: null,
    long_context_pricing_enabled: false,
    allow_image_generation: true,
    allow_batch_image_generation: false,
    image_rate_independent: false,
    image_rate_multiplier: 1,
    batch_image_discount_multiplier: 0.5,
    batch_image_hold_multiplier: 1,
    video_rate_independent: false,
    video_rate_multiplier: 1,
    peak_rate_enabled: false,
    peak_start: '',
    peak_end: '',
    peak_rate_multiplier: 1,
    image_price_1k: null,
    image_price_2k: null,
    image_price_4k: null,
    video_price_480p: null,
    video_price_720p: null,
    video_price_1080p: null,
    web_search_price_per_call: null,
    search_price_per_1k: null,
    audio_realtime_price_per_min: null,
    audio_tts_price_per_million_chars: null,
    audio_stt_price_per_hour: null,
    claude_code_only: false,
    fallback_group_id: null,
    fallback_group_id_on_invalid_request: null,
    allow_messages_dispatch: false,
    allow_live: false,
    require_oauth_only: false,
    require_privacy_set: false,
    rpm_limit: 0,
    max_reasoning_effort: '',
    reasoning_effort_mappings: null,
    created_at: '2026-01-02T03:04:05.678901+08:00',
    updated_at: '2026-01-02T03:04:05.678901+08:00',
    flavour: 'oauth',
    ...given,
  }
}
