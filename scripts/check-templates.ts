// Usage: node scripts/check-templates.ts [--check]
// Writes src/web/views.gen.ts from the first line of every template and the rooms of the English catalogue, then
// type-checks all templates.
// With --check a stale views.gen.ts is an error instead of being rewritten.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Eta } from 'eta'

const root = path.join(import.meta.dirname, '..')
const viewsFolder = path.join(root, 'views')
const generated = path.join(root, 'src/web/views.gen.ts')

interface Template {
  /** Path under `views/` without extension: `images/_job`. */
  name: string
  source: string
  /** The TypeScript type of its data, import paths from the project's root. */
  needs: string
}

const templates = readdirSync(viewsFolder, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.eta'))
  .map(file => file.slice(0, -'.eta'.length).split(path.sep).join('/'))
  .toSorted()
  .map(readTemplate)

const rooms = readdirSync(path.join(viewsFolder, 'catalogue/en'))
  .map(file => path.basename(file, '.json'))
  .toSorted()

const views = `${viewsInterface(templates)}\n${wordsInterface(rooms)}`
if (readOrEmpty(generated) !== views) {
  if (process.argv.includes('--check')) stop('src/web/views.gen.ts is stale: run node scripts/check-templates.ts')
  writeFileSync(generated, views)
}
const errors = typeErrors(templates)
if (errors) stop(errors)

function readTemplate(name: string): Template {
  const source = readFileSync(path.join(viewsFolder, `${name}.eta`), 'utf8')
  const needs = /^<% \/\* needs: (.+) \*\/ %>\n/.exec(source)?.[1]
  if (!needs) stop(`views/${name}.eta:1 must start with <% /* needs: { … } */ %>`)
  return { name, source, needs }
}

function viewsInterface(all: Template[]): string {
  const lines = all.map(({ name, needs }) => {
    const quoted = /^\w+$/.test(name) ? name : `'${name}'`
    return `  ${quoted}: ${needs.replaceAll("import('src/", "import('../").replaceAll('{}', 'Record<never, never>')}`
  })
  return `// biome-ignore-all format: generated
// Written by scripts/check-templates.ts from the first line of every template and the English catalogue.
export interface Views {
${lines.join('\n')}
}
`
}

function wordsInterface(names: string[]): string {
  const lines = names.map(name => {
    const file = `../../views/catalogue/en/${name}.json`
    return `  ${name}: typeof import('${file}', { with: { type: 'json' } })`
  })
  return `/** The words of each room, as its English file has them. */
export interface Words {
${lines.join('\n')}
}
`
}

/** What tsc says about one function per template, with the templates' own places; empty when it is content. */
function typeErrors(all: Template[]): string {
  const eta = new Eta({ debug: true })
  const lines: { code: string; place: string }[] = []
  const add = (code: string, file = 'templates.mts', line = 0) => {
    lines.push(...code.split('\n').map((part, i) => ({ code: part, place: `${file}:${line + i}` })))
  }

  add(`import type { Page } from ${JSON.stringify(path.join(root, 'src/web/page.ts'))}
import type { Views } from ${JSON.stringify(generated)}
export let escaped: string | number | boolean | null | undefined
export let raw: string
declare function include<K extends keyof Views>(view: \`/\${K}\`, data: Views[K]): string
declare function layout<K extends keyof Views>(view: \`/\${K}\`, data: Views[K]): void`)
  all.forEach(({ name, source }, i) => {
    const file = `views/${name}.eta`
    add(`export function template${i}(it: Page & Views['${name}']${name === 'layout' ? ' & { body: string }' : ''}) {`)
    for (const part of eta.parse(source)) {
      if (typeof part === 'string') continue
      const { t: kind, val, lineNo = 0 } = part
      // Eta drops the white space after an opening tag, and with it a first line that holds nothing else.
      const start = /<%[-_]?\s*$/.test(source.split('\n')[lineNo - 1] ?? '') ? lineNo + 1 : lineNo
      add(kind === 'i' ? `escaped = ${val};` : kind === 'r' ? `raw = ${val};` : val, file, start)
    }
    add('}')
  })

  const folder = mkdtempSync(path.join(tmpdir(), 'templates-'))
  try {
    writeFileSync(path.join(folder, 'templates.mts'), lines.map(line => line.code).join('\n'))
    const extend = path.join(root, 'tsconfig.json')
    const compilerOptions = {
      typeRoots: [path.join(root, 'node_modules/@types')],
      noUnusedParameters: false,
      rewriteRelativeImportExtensions: false,
    }
    writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: extend, compilerOptions, files: ['templates.mts'], include: [] }),
    )
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
    const run = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' })
    // Errors of the project's own files are for the project's own run of tsc.
    return (run.stdout + run.stderr)
      .split(/\n(?=\S)/)
      .filter(error => error.startsWith('templates.mts('))
      .map(error => error.replace(/^\S+?\((\d+),\d+\)/, (_, line) => lines[Number(line) - 1]!.place))
      .join('\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function stop(message: string): never {
  console.error(message)
  process.exit(1)
}
