import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { armor, crudeRsaKey, type SshPair, softwareAuthenticator, sshKeygen, unarmor } from '../testing/ssh.ts'
import { verifySignature } from './signature.ts'
import { fingerprintOf, parsePublicKey, SshKeyError } from './ssh-key.ts'

const message = 'the text to sign\nwith its line feed\n'
const namespace = 'sub2api-playground'

const pairs: Record<string, SshPair> = {
  'ssh-ed25519': await sshKeygen('ed25519'),
  'ssh-rsa': await sshKeygen('rsa', { bits: 2048 }),
  'ecdsa-sha2-nistp256': await sshKeygen('ecdsa', { bits: 256 }),
  'ecdsa-sha2-nistp384': await sshKeygen('ecdsa', { bits: 384 }),
  'ecdsa-sha2-nistp521': await sshKeygen('ecdsa', { bits: 521 }),
  'sk-ssh-ed25519@openssh.com': softwareAuthenticator('sk-ssh-ed25519@openssh.com'),
  'sk-ecdsa-sha2-nistp256@openssh.com': softwareAuthenticator('sk-ecdsa-sha2-nistp256@openssh.com'),
}

function verdict(signature: string, pair: SshPair, changes: { message?: string; namespace?: string } = {}) {
  return verifySignature(signature, {
    message: Buffer.from(changes.message ?? message),
    namespace: changes.namespace ?? namespace,
    key: parsePublicKey(pair.publicKey),
  })
}

for (const [type, pair] of Object.entries(pairs)) {
  test(`a signature of an ${type} key proves its message, and nothing else`, async () => {
    const signature = await pair.sign(message, namespace)
    assert.equal(parsePublicKey(pair.publicKey).type, type)
    assert.equal(verdict(signature, pair), null)

    assert.equal(verdict(signature, pair, { message: message.trim() }), 'not_valid')
    assert.equal(verdict(signature, pair, { namespace: 'file' }), 'other_namespace')
    assert.equal(verdict(await pair.sign(message, 'file'), pair), 'other_namespace')
    const other = type === 'ssh-ed25519' ? pairs['ssh-rsa']! : pairs['ssh-ed25519']!
    assert.equal(verdict(signature, other), 'other_key')
    assert.equal(verdict(await other.sign(message, namespace), pair), 'other_key')
  })

  test(`no truncation, no trailing byte and no bit flip of an ${type} signature passes`, async () => {
    const blob = unarmor(await pair.sign(message, namespace))
    const accepts = (altered: Buffer) => verdict(armor(altered), pair) === null
    assert.ok(accepts(blob))
    for (let length = 0; length < blob.length; length++)
      assert.ok(!accepts(blob.subarray(0, length)), `cut to ${length}`)
    for (const tail of ['\0', 'x', '\0\0\0\0']) assert.ok(!accepts(Buffer.concat([blob, Buffer.from(tail)])))
    for (let at = 0; at < blob.length; at++) {
      const flipped = Buffer.from(blob)
      flipped[at]! ^= 1 << (at % 8)
      assert.ok(!accepts(flipped), `bit flipped in byte ${at}`)
    }
  })
}

test('a second key of the same type signs for itself only', async () => {
  const [mine, theirs] = [pairs['ssh-ed25519']!, await sshKeygen('ed25519')]
  assert.equal(verdict(await theirs.sign(message, namespace), mine), 'other_key')
  // The envelope names my key, the arithmetic is theirs.
  const [envelope, forged] = [
    unarmor(await mine.sign(message, namespace)),
    unarmor(await theirs.sign(message, namespace)),
  ]
  envelope.copy(forged, 0, 0, 10 + 4 + 51)
  assert.equal(verdict(armor(forged), mine), 'not_valid')
})

test('the armor itself has one form: altered text is not a signature', async () => {
  const pair = pairs['ssh-ed25519']!
  const text = await pair.sign(message, namespace)
  assert.equal(verdict(text.trim(), pair), null, 'the last line feed may be missing')
  assert.equal(verdict(text.replaceAll('\n', '\r\n'), pair), null, 'and the lines may have come from Windows')
  for (let at = 0; at < text.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1)
      assert.notEqual(verdict(flipped, pair), null, `bit ${bit} of character ${at}`)
    }
    if (at < text.length - 1) assert.notEqual(verdict(text.slice(0, at), pair), null, `cut to ${at} characters`)
  }
  for (const altered of [
    `${text}\n`,
    ` ${text}`,
    `${text}x`,
    text.replace('=', ''),
    text + text,
    '',
    'x'.repeat(20_000),
  ]) {
    assert.equal(verdict(altered, pair), 'malformed')
  }
})

test('of 5,000 random mutations none is accepted and none throws', async () => {
  const signed = await Promise.all(
    Object.values(pairs).map(async pair => ({ pair, blob: unarmor(await pair.sign(message, namespace)) })),
  )
  for (let round = 0; round < 5000; round++) {
    const { pair, blob } = signed[round % signed.length]!
    const altered = mutate(blob)
    if (altered.equals(blob)) continue
    const signature = armor(altered)
    assert.notEqual(verdict(signature, pair), null, `accepted for ${pair.publicKey}:\n${signature}`)
  }
})

test('SHA-1 is refused, also by a strong RSA key', async () => {
  const sha1 = crudeRsaKey(2048, 'ssh-rsa')
  assert.equal(verdict(await sha1.sign(message, namespace), sha1), 'algorithm_not_allowed')
  const sha256 = crudeRsaKey(2048, 'rsa-sha2-256')
  assert.equal(verdict(await sha256.sign(message, namespace), sha256), null, 'the same way of signing works otherwise')
})

test('a security key that was not touched proves nothing', async () => {
  for (const type of ['sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'] as const) {
    const key = softwareAuthenticator(type)
    key.flags = 0
    assert.equal(verdict(await key.sign(message, namespace), key), 'not_touched')
    key.flags = 4
    assert.equal(verdict(await key.sign(message, namespace), key), 'not_touched')
    key.flags = 5
    assert.equal(verdict(await key.sign(message, namespace), key), null)
  }
})

test('the fingerprint is the one ssh-keygen prints', () => {
  for (const pair of Object.values(pairs)) {
    const [, base64 = ''] = pair.publicKey.split(' ')
    assert.equal(parsePublicKey(pair.publicKey).fingerprint, fingerprintOf(Buffer.from(base64, 'base64')))
  }
})

test('what is no public key, or too weak a one, is refused by name', async () => {
  const line = pairs['ssh-ed25519']!.publicKey
  const [type, base64 = '', comment] = line.split(' ')
  const problem = (text: string) => {
    try {
      parsePublicKey(text)
    } catch (error) {
      return error instanceof SshKeyError ? error.problem : error
    }
    return null
  }
  assert.equal(problem(`${type} ${base64}`), null)
  assert.equal(problem(`  ${line}\n`), null)
  assert.equal(parsePublicKey(`${line} of mine`).comment, `${comment} of mine`)

  assert.equal(problem(' \n'), 'missing')
  assert.equal(problem(`${line} ${'x'.repeat(16_384)}`), 'too_long')
  assert.equal(problem('-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n-----END OPENSSH PRIVATE KEY-----'), 'private_key')
  assert.equal(problem(`ssh-dss ${base64}`), 'type_not_allowed')
  assert.equal(problem(`ssh-ed25519-cert-v01@openssh.com ${base64}`), 'type_not_allowed')
  assert.equal(problem(crudeRsaKey(1024, 'rsa-sha2-256').publicKey), 'too_weak')
  assert.equal(problem(pairs['ssh-rsa']!.publicKey.replace('ssh-rsa', 'ssh-ed25519')), 'unreadable')
  assert.equal(problem(`${line}\n${line}`), 'unreadable')
  for (const text of ['ssh-ed25519', 'nonsense', `ssh-ed25519 ${base64.slice(0, -4)}`, `ssh-ed25519 ${base64}AAAA`]) {
    assert.equal(problem(text), 'unreadable', text)
  }
  const offCurve = Buffer.from(pairs['ecdsa-sha2-nistp256']!.publicKey.split(' ')[1]!, 'base64')
  offCurve[offCurve.length - 1]! ^= 1
  assert.equal(problem(`ecdsa-sha2-nistp256 ${offCurve.toString('base64')}`), 'unreadable')
})

/** One to three changes: a byte, a bit, a cut, an insertion, a repetition, a length field. */
function mutate(blob: Buffer): Buffer {
  let bytes = Buffer.from(blob)
  for (let changes = randomInt(1, 4); changes > 0; changes--) {
    const at = randomInt(bytes.length)
    const kind = randomInt(6)
    if (kind === 0) bytes[at] = randomInt(256)
    else if (kind === 1) bytes[at]! ^= 1 << randomInt(8)
    else if (kind === 2 && bytes.length > 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(randomInt(256)), bytes.subarray(at)])
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(randomInt(bytes.length))])
    else if (at + 4 <= bytes.length) bytes.writeUInt32BE([0, 1, 0xffffffff, bytes.length][randomInt(4)]!, at)
    if (bytes.length === 0) bytes = Buffer.of(0)
  }
  return bytes
}
