import type { Leave } from '../work/leave.ts'
import { countKept, deletePictures, listTokensBehind } from './leave-queries.ts'
import { nameUnwanted } from './named-queries.ts'

const AT_ONCE = 5000

export const leave: Leave = {
  count: countKept,
  async forget(tx, userId) {
    for (let tokens = await listTokensBehind(tx, userId, '', AT_ONCE); tokens.length > 0; ) {
      await nameUnwanted(tx, tokens)
      tokens = await listTokensBehind(tx, userId, tokens.at(-1)!, AT_ONCE)
    }
    await deletePictures(tx, userId)
  },
}
