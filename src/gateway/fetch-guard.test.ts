import assert from 'node:assert/strict'
import type { lookup } from 'node:dns'
import { test } from 'node:test'
import { scriptedServer } from '../testing/scripted-server.ts'
import { fetchPicture, type GuardOptions } from './fetch-guard.ts'
import { isPublicAddress } from './public-address.ts'

const closed =
  `0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.8.8.8 168.63.129.16
  169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1
  203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1
  64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:0:53aa:64c:0:7bff:f5f7:eeff 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1
  2002:a00:1::1 2620:4f:8000::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1
  2606:4700::1%eth0 localhost 1.2.3 0x7f.1 2130706433 017700000001 [::1]`.split(/\s+/)
const open =
  `1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255 169.255.0.0 172.15.255.255
  172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 2001:200::1 2001:4860:4860::8888 2606:4700::1111
  2003::1 2a00:1450:4001::200e 2400:cb00::1 3ffe:ffff::1`.split(/\s+/)

test('only public unicast addresses are open', () => {
  for (const address of closed) assert.equal(isPublicAddress(address), false, address)
  for (const address of open) assert.equal(isPublicAddress(address), true, address)
})

test('addresses that are no public host are never asked', async () => {
  const hosts = [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '0',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '169.254.169.254',
    'localhost',
  ]
  for (const host of hosts)
    await assert.rejects(fetchPicture(`http://${host}:9/x`, plain()), /not a public address/, host)
  for (const url of ['file:///etc/passwd', 'ftp://example.com/x', 'data:,x'])
    await assert.rejects(fetchPicture(url, plain()), /scheme/)
  await assert.rejects(fetchPicture('http://', plain()), TypeError)
})

test('a name is refused when any of its addresses is closed', async () => {
  for (const addresses of [['8.8.8.8', '10.0.0.1'], ['::ffff:127.0.0.1'], []]) {
    await assert.rejects(
      fetchPicture('http://pictures.example/x', plain({ lookup: names(addresses).lookup })),
      /not a public address/,
    )
  }
})

test('the address that was checked is the one that is connected to', async t => {
  const { url } = await scriptedServer(t, (_req, res) => res.end('picture'))
  // A name server that answers with an open address first and a closed one ever after.
  const rebinding = names(['127.0.0.1'], ['127.0.0.2'])
  const isAllowed = (address: string) => address === '127.0.0.1'
  const options = plain({ lookup: rebinding.lookup, isAllowed })
  const picture = await fetchPicture(`http://pictures.example:${new URL(url).port}/x`, options)
  assert.equal(picture.toString(), 'picture')
  assert.equal(rebinding.asked(), 1)
})

test('a redirect is checked again, and three are the most', async t => {
  const isAllowed = (address: string) => address === '127.0.0.1'
  const { url, requests } = await scriptedServer(t, (req, res) => {
    const [, kind, left] = req.url!.split('/')
    if (kind === 'hop' && Number(left) > 0) res.writeHead(302, { location: `/hop/${Number(left) - 1}` }).end()
    else if (kind === 'inside') res.writeHead(302, { location: 'http://127.0.0.2/x' }).end()
    else res.end('picture')
  })
  assert.equal((await fetchPicture(`${url}/hop/3`, plain({ isAllowed }))).toString(), 'picture')
  await assert.rejects(fetchPicture(`${url}/hop/4`, plain({ isAllowed })), /too many redirects/)
  await assert.rejects(fetchPicture(`${url}/inside`, plain({ isAllowed })), /not a public address/)
  // The gateway's own address may redirect, but opens no door either.
  await assert.rejects(fetchPicture(`${url}/inside`, plain({ upstream: new URL(url) })), /not a public address/)
  assert.ok(requests.every(({ req }) => req.headers.authorization === undefined && req.headers.cookie === undefined))
})

test('an address without a host is at the gateway, and one with another host has to be public', async t => {
  const { url, requests } = await scriptedServer(t, (_req, res) => res.end('picture'))
  const upstream = new URL('/gateway/', url)
  for (const address of ['/files/a.png', 'files/a.png', `//${upstream.host}/files/a.png`]) {
    assert.equal((await fetchPicture(address, plain({ upstream }))).toString(), 'picture')
  }
  assert.deepEqual(
    requests.map(({ req }) => [req.url, req.headers.authorization]),
    Array(3).fill(['/files/a.png', undefined]),
  )
  await assert.rejects(fetchPicture('//127.0.0.2/files/a.png', plain({ upstream })), /not a public address/)
})

test('no credentials, no endless bodies, no endless waiting, nothing but 200', async t => {
  const { url, requests } = await scriptedServer(t, (req, res) => {
    if (req.url === '/hang') return
    if (req.url === '/404') res.writeHead(404).end()
    else res.end(Buffer.alloc(2000))
  })
  const upstream = new URL(url)
  await fetchPicture(url.replace('//', '//user:password@'), plain({ upstream }))
  assert.equal(requests[0]!.req.headers.authorization, undefined)
  await assert.rejects(fetchPicture(url, plain({ upstream, limit: 1999 })), RangeError)
  await assert.rejects(fetchPicture(`${url}/404`, plain({ upstream })), /status 404/)
  await assert.rejects(fetchPicture(`${url}/hang`, plain({ upstream, timeout: 50 })), { name: 'TimeoutError' })
})

function plain(options: Partial<GuardOptions> = {}): GuardOptions {
  return {
    signal: new AbortController().signal,
    upstream: new URL('https://gateway.example'),
    limit: 10_000,
    ...options,
  }
}

/** A name server that gives these answers one after the other, the last for ever. */
function names(...answers: string[][]) {
  let count = 0
  const answer = (_name: string, _options: unknown, done: (error: null, addresses: object[]) => void) => {
    const addresses = answers[Math.min(count++, answers.length - 1)]!
    done(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return { lookup: answer as unknown as typeof lookup, asked: () => count }
}
