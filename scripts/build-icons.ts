// Usage: node scripts/build-icons.ts
// Writes public/icons.svg, the sprite of the icons the templates use, from the lucide-static package.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const names = [
  'arrow-down',
  'arrow-left',
  'arrow-left-right',
  'arrow-up',
  'ban',
  'brush',
  'check',
  'chevron-left',
  'chevron-right',
  'circle-alert',
  'circle-question-mark',
  'contrast',
  'columns-2',
  'copy',
  'download',
  'ellipsis',
  'eraser',
  'eye-off',
  'file-text',
  'folder',
  'folder-input',
  'folder-search',
  'hard-drive',
  'flag',
  'heart',
  'hourglass',
  'image-off',
  'image-plus',
  'images',
  'info',
  'key-round',
  'keyboard',
  'languages',
  'link',
  'list-plus',
  'log-in',
  'log-out',
  'maximize-2',
  'message-circle',
  'monitor',
  'moon',
  'panel-left',
  'paperclip',
  'pencil-line',
  'pin',
  'plus',
  'printer',
  'receipt-text',
  'redo-2',
  'refresh-cw',
  'rotate-cw',
  'scan',
  'search',
  'share-2',
  'shield-alert',
  'sliders-horizontal',
  'square',
  'star',
  'star-off',
  'sun',
  'tag',
  'terminal',
  'trash-2',
  'triangle-alert',
  'undo-2',
  'user-round',
  'x',
  'zoom-in',
  'zoom-out',
]

const root = path.join(import.meta.dirname, '..')
const symbols = names.map(name => {
  const icon = readFileSync(path.join(root, 'node_modules/lucide-static/icons', `${name}.svg`), 'utf8')
  const shapes = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(icon)![1]!.replaceAll(/\s*\n\s*/g, '')
  return `<symbol id="${name}" viewBox="0 0 24 24">${shapes}</symbol>`
})
const notice = '<!-- Lucide icons, https://lucide.dev, ISC License, (c) Lucide Contributors -->'
writeFileSync(
  path.join(root, 'public/icons.svg'),
  `<svg xmlns="http://www.w3.org/2000/svg"><title>Icons</title>${notice}\n${symbols.join('\n')}\n</svg>\n`,
)
