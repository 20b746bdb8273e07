import { createRequire } from 'node:module'
import type sshpk from 'sshpk'

const require = createRequire(import.meta.url)

/** Loaded with the first key: most processes never see one. */
export function loadSshpk(): typeof sshpk {
  return require('sshpk') as typeof sshpk
}
