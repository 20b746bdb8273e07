import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe asks about the looks of a page; the rest is the same in every theme and width. */
const OF_LOOKS = ['color-contrast', 'link-in-text-block', 'target-size', 'scrollable-region-focusable']

/**
 * What axe calls serious, letters under 12.5 px, what reaches beyond the screen, and what is too low for a finger.
 * `looks`: of a page that axe has read before.
 */
export async function hindrances(page: Page, { looks = false } = {}): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(
    async only => {
      // What is still fading in has not got its colours yet.
      const passing = document.getAnimations().filter(each => each.effect?.getComputedTiming().endTime !== Infinity)
      await Promise.allSettled(passing.map(each => each.finished))
      const { axe: checker } = globalThis as unknown as { axe: { run(options: object): Promise<AxeResults> } }
      const { violations } = await checker.run({
        resultTypes: ['violations'],
        ...(only ? { runOnly: only } : { rules: { 'target-size': { enabled: true } } }),
      })
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      const told = serious.map(({ id, nodes }) => `${id} at ${nodes.map(node => node.target.join(' ')).join(', ')}`)

      const { scrollWidth, clientWidth } = document.documentElement
      if (scrollWidth > clientWidth) told.push(`${scrollWidth} px wide`)

      const low = matchMedia('(pointer: coarse)').matches
        ? document.querySelectorAll('button, .button, summary, select')
        : []
      for (const each of low) {
        const area = Number.parseFloat(getComputedStyle(each, '::after').blockSize) || 0
        const height = Math.max((each.closest('label') ?? each).getBoundingClientRect().height, area)
        const isSeen = each.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && height > 1
        if (isSeen && height < 43.5) told.push(`${Math.round(height)} px high: ${each.outerHTML.slice(0, 100)}`)
      }

      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
      while (texts.nextNode()) {
        const holder = texts.currentNode.parentElement!
        const size = Number.parseFloat(getComputedStyle(holder).fontSize)
        if (size < 12.5 && texts.currentNode.textContent!.trim() && holder.checkVisibility())
          told.push(`${size} px: ${texts.currentNode.textContent!.trim().slice(0, 40)}`)
      }
      return told
    },
    looks ? OF_LOOKS : null,
  )
}
