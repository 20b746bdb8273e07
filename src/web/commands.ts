interface Written {
  /** Its words are `keyboard.<name>`. */
  name: string
  /** As they are written on the keys: pressed one after the other, with Ctrl and Shift at once. */
  keys: readonly string[]
  icon?: string
  /** The page that it goes to. */
  go?: string
  /** The button of every page that it presses. */
  press?: string
  /** What `public/js/keyboard.js` does under this name. */
  act?: string
}

// Those without go, press and act belong to what is open or has the focus.
const commands = [
  { name: 'palette', keys: ['Ctrl', 'K'], act: 'palette' },
  { name: 'images', keys: ['g', 'i'], icon: 'image-plus', go: '/images' },
  { name: 'batch', keys: ['g', 'b'], icon: 'list-plus', go: '/images/batch' },
  { name: 'prompts', keys: ['g', 'p'], icon: 'file-text', go: '/prompts' },
  { name: 'chat', keys: ['g', 'c'], icon: 'message-circle', go: '/chat' },
  { name: 'library', keys: ['g', 'l'], icon: 'images', go: '/library' },
  { name: 'folders', keys: ['g', 'f'], icon: 'folder', go: '/library/folders' },
  { name: 'trash', keys: ['g', 't'], icon: 'trash-2', go: '/library/trash' },
  { name: 'gallery', keys: ['g', 'g'], icon: 'heart', go: '/gallery' },
  { name: 'spend', keys: ['g', 's'], icon: 'receipt-text', go: '/spend' },
  { name: 'exports', keys: ['g', 'e'], icon: 'download', go: '/exports' },
  { name: 'imports', keys: ['g', 'o'], icon: 'folder-input', go: '/imports' },
  { name: 'storage', keys: ['g', 'd'], icon: 'hard-drive', go: '/library/storage' },
  { name: 'budgets', keys: ['g', 'm'], icon: 'receipt-text', go: '/spend/budgets' },
  { name: 'agents', keys: ['g', 'a'], icon: 'terminal', go: '/agents' },
  { name: 'account', keys: ['g', 'u'], icon: 'user-round', go: '/account' },
  { name: 'new', keys: ['n'], icon: 'plus', act: 'new' },
  { name: 'prompt', keys: ['/'], icon: 'search', act: 'search' },
  { name: 'find', keys: ['s'], icon: 'search', act: 'find' },
  { name: 'list', keys: ['?'], icon: 'keyboard', act: 'list' },
  { name: 'theme_system', keys: ['t', 's'], icon: 'monitor', press: '.themes [value="system"]' },
  { name: 'theme_light', keys: ['t', 'l'], icon: 'sun', press: '.themes [value="light"]' },
  { name: 'theme_dark', keys: ['t', 'd'], icon: 'moon', press: '.themes [value="dark"]' },
  { name: 'language', keys: ['t', 'n'], icon: 'languages', press: '.prefs [name="language"]' },
  { name: 'submit', keys: ['Ctrl', 'Enter'] },
  { name: 'recall', keys: ['Alt', '↑', '↓'] },
  { name: 'arrows', keys: ['←', '→'] },
  { name: 'open', keys: ['o'] },
  { name: 'reference', keys: ['r'] },
  { name: 'favourite', keys: ['f'] },
  { name: 'facts', keys: ['i'] },
  { name: 'zoom', keys: ['+', '−', '0'] },
  { name: 'select', keys: ['x'] },
  { name: 'select_more', keys: ['Shift', '←', '→', '↑', '↓'] },
  { name: 'select_all', keys: ['Ctrl', 'A'] },
  { name: 'delete', keys: ['Delete'] },
  { name: 'undo', keys: ['z'] },
  { name: 'mask', keys: ['b', 'e'] },
  { name: 'brush', keys: ['[', ']'] },
  { name: 'undo_stroke', keys: ['Ctrl', 'Z'] },
  { name: 'close', keys: ['Esc'] },
] as const satisfies readonly Written[]

/** What a person can do by keys: the `?` sheet, the palette and the keys themselves are made of this one list. */
export type Command = Omit<Written, 'name'> & { name: (typeof commands)[number]['name'] }

export function commandsOf({ hasGallery }: { hasGallery: boolean }): readonly Command[] {
  return commands.filter(({ name }) => hasGallery || name !== 'gallery')
}
