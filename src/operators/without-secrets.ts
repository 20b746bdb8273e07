/** API keys, refresh tokens and JSON Web Tokens, as the gateway and others make them. */
const secrets = /\b(?:sk-[\w-]{12,}|rt_[\w-]{12,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?|gh[a-z]_\w{16,}|[a-f0-9]{40,})/gi

/** What somebody wrote, without what they should not have pasted: a log is kept for ever. */
export function withoutSecrets(text: string): string {
  return text.replace(secrets, '…')
}
