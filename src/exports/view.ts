/** An export, as its person sees it. */
export interface ExportView {
  id: string
  kind: 'pictures' | 'everything'
  state: 'queued' | 'running' | 'ready' | 'failed' | 'cancelled'
  /** `pictures-2026-11-26-12.zip` */
  name: string
  url: string
  /** Files. */
  total: number
  checked: number
  /** Of its files together. */
  bytes: number
  createdAt: Date
  expiresAt: Date | null
}
