import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { createMetrics } from '../metrics.ts'

const root = path.join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(path.join(root, file), 'utf8')

const Dashboard = z.object({
  panels: z.array(
    z.object({
      id: z.number(),
      title: z.string().min(1),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).min(1),
    }),
  ),
  templating: z.object({ list: z.array(z.object({ name: z.string(), query: z.string() })) }),
})
const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Playground\w+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+m$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.strictObject({ summary: z.string() }),
        }),
      ),
    }),
  ),
})
const { panels, templating } = Dashboard.parse(JSON.parse(read('deploy/grafana-dashboard.json')))
const rules = Rules.parse(parse(read('deploy/alerts.yml'))).groups.flatMap(group => group.rules)
const expressions = [
  ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...rules.map(({ expr }) => expr),
  ...templating.list.map(({ query }) => query),
]

/** Names of numbers that a process reports, and of the labels of each. */
async function reported(): Promise<Map<string, string[]>> {
  const metrics = createMetrics()
  const text = await metrics.text()
  const kinds = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, kind]) => [name!, kind!] as const)
  const Declared = z.object({ name: z.string(), labelNames: z.array(z.string()) })
  const declared = Object.values(metrics).flatMap(metric => Declared.safeParse(metric).data ?? [])
  const known = new Map(declared.map(({ name, labelNames }) => [name, labelNames]))
  return new Map(
    kinds.flatMap(([name, kind]) => {
      const names = kind === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name]
      return names.map(
        each => [each, [...(known.get(name) ?? []), ...(each.endsWith('_bucket') ? ['le'] : [])]] as const,
      )
    }),
  )
}

test('the dashboard and the alerts ask for numbers and labels that there are', async () => {
  const metrics = await reported()
  const byPrometheus = ['up', 'instance', 'job']
  for (const expression of expressions) {
    const words = expression.replaceAll(/"[^"]*"/g, '').replaceAll(/\[[^\]]*\]/g, '')
    const asked = [...words.matchAll(/\b(?:playground|process|nodejs)_\w+/g)].map(([name]) => name)
    for (const name of asked) assert.ok(metrics.has(name), `${name} in ${expression}`)
    const labels = [
      ...[...words.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner]) =>
        [...inner!.matchAll(/(\w+)\s*[=!]/g)].map(([, label]) => label!),
      ),
      ...[...words.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, inner]) => inner!.split(/,\s*/)),
    ].filter(label => !byPrometheus.includes(label))
    for (const label of labels) {
      assert.ok(
        asked.some(name => metrics.get(name)!.includes(label)),
        `${label} in ${expression}`,
      )
    }
  }
  const shown = expressions.join('\n')
  const ours = [...metrics.keys()].filter(name => name.startsWith('playground_') && !name.endsWith('_sum'))
  assert.deepEqual(
    ours.filter(name => !shown.includes(name)),
    [],
    'all that is counted is shown',
  )
})

test('panels stand beside each other, and each alert is told of in the page on trouble', () => {
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)}:${y + Math.floor(at / w)}`),
  )
  assert.equal(new Set(cells).size, cells.length)
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const page of ['docs/troubleshoot.md', 'docs/troubleshoot.zh-CN.md']) {
    assert.ok(existsSync(path.join(root, page)), page)
    assert.deepEqual(
      rules.filter(({ alert }) => !read(page).includes(alert)),
      [],
      page,
    )
  }
})
