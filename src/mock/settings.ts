/** What a test or an operator of the mock can turn; all times in milliseconds. */
export interface Settings {
  /** Time a high-quality 1024² picture takes; others take less or more. Answers in text take half of it. */
  latencyMs: number
  /** How long after the reply the usage row appears and the balance falls; 0 = before the reply ends. */
  usageDelayMs: number
  /** How long the gateway goes on with a user's own rate that it has read. */
  rateCacheMs: number
  accessTokenSeconds: number
  /** Ties tokens to the address and user agent that signed in. */
  sessionBinding: boolean
  /** Limits per minute on sign-in, by address; and on the panel, by user. */
  rateLimits: boolean
  panelLimits: boolean
  loginsPerMinute: number
  /** How long a call waits for one of the user's slots, and how many may wait. */
  slotWaitMs: number
  slotQueue: number
  /** Silence after which a stream gets a comment. */
  commentEveryMs: number
  bodyLimitBytes: number
  /** `scene` paints with grain like a real picture, `plain` is quick to make, `fixed` is always the same one. */
  pictures: 'scene' | 'plain' | 'fixed'
  /** One of the three shapes of the list of models. */
  models: 'default' | 'mapped' | 'own'
  /** Where the app runs, for a link on the start page; empty when unknown. */
  playgroundUrl: string
  /** The site's public settings, as `/settings/public` answers them. */
  site: Record<string, unknown>
}

export function defaultSettings(): Settings {
  return {
    latencyMs: 0,
    usageDelayMs: 0,
    rateCacheMs: 30_000,
    accessTokenSeconds: 86_400,
    sessionBinding: false,
    rateLimits: false,
    panelLimits: true,
    loginsPerMinute: 20,
    slotWaitMs: 30_000,
    slotQueue: 20,
    commentEveryMs: 10_000,
    bodyLimitBytes: 256 * 1024 * 1024,
    pictures: 'plain',
    models: 'default',
    playgroundUrl: '',
    site: { ...site },
  }
}

const site = {
  registration_enabled: false,
  email_verify_enabled: false,
  force_email_on_third_party_signup: false,
  registration_email_suffix_whitelist: [],
  registration_email_domain_quota_enabled: false,
  promo_code_enabled: true,
  password_reset_enabled: false,
  invitation_code_enabled: false,
  totp_enabled: true,
  passkey_enabled: false,
  login_agreement_enabled: false,
  login_agreement_mode: '',
  login_agreement_updated_at: '',
  login_agreement_revision: '',
  login_agreement_documents: [],
  turnstile_enabled: false,
  turnstile_site_key: '',
  tencent_captcha_enabled: false,
  tencent_captcha_app_id: '',
  tencent_captcha_region: '',
  aliyun_captcha_enabled: false,
  aliyun_captcha_scene_id: '',
  aliyun_captcha_prefix: '',
  aliyun_captcha_region: '',
  site_name: 'Sub2API (mock)',
  site_logo: '',
  site_subtitle: 'Stands in for a real gateway',
  api_base_url: '',
  contact_info: '',
  doc_url: '',
  home_content: '',
  compact_home_enabled: false,
  hide_ccs_import_button: false,
  purchase_subscription_enabled: false,
  purchase_subscription_url: '',
  table_default_page_size: 20,
  table_page_size_options: [10, 20, 50, 100],
  custom_menu_items: [],
  custom_endpoints: [],
  dingtalk_oauth_enabled: false,
  linuxdo_oauth_enabled: false,
  github_oauth_enabled: false,
  google_oauth_enabled: false,
  wechat_oauth_enabled: false,
  wechat_oauth_open_enabled: false,
  wechat_oauth_mp_enabled: false,
  wechat_oauth_mobile_enabled: false,
  oidc_oauth_enabled: false,
  oidc_oauth_provider_name: '',
  backend_mode_enabled: false,
  payment_enabled: false,
  version: '0.1.179',
  server_timezone: 'Asia/Shanghai',
  server_utc_offset: '+08:00',
  balance_low_notify_enabled: false,
  balance_low_notify_threshold: 0,
  balance_low_notify_recharge_url: '',
  account_quota_notify_enabled: false,
  channel_monitor_enabled: false,
  channel_monitor_hide_throughput: false,
  channel_monitor_show_quota: false,
  channel_monitor_mode: '',
  channel_monitor_default_interval_seconds: 60,
  available_channels_enabled: false,
  model_plaza_enabled: false,
  model_plaza_require_auth: false,
  affiliate_enabled: false,
  risk_control_enabled: false,
  allow_user_view_error_requests: false,
}
