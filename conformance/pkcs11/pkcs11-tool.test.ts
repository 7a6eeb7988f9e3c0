/**
 * OpenSC's `pkcs11-tool` (0.23, as Debian packages it): its own tests, and everything it can do
 * with keys and objects. What it signs and encrypts is checked by `openssl`, and the reverse.
 *
 * @module
 */
import { deepStrictEqual, doesNotMatch, match, ok } from 'node:assert/strict'
import { createPublicKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import {
  absent,
  type Ended,
  LABEL,
  PIN,
  product,
  startToken,
  type TokenUnderTest,
} from './token-under-test.ts'

const MESSAGE = Buffer.from('a message that is longer than one block of AES, and than a digest')

const RSA = '01'
const KEY_PAIRS = [
  { id: RSA, type: 'rsa:2048', says: /Private Key Object; RSA/ },
  { id: '02', type: 'rsa:3072', says: /Private Key Object; RSA/ },
  { id: '03', type: 'EC:prime256v1', says: /Private Key Object; EC/ },
  { id: '04', type: 'EC:secp384r1', says: /Private Key Object; EC/ },
  { id: '05', type: 'EC:secp521r1', says: /Private Key Object; EC/ },
  { id: '06', type: 'EC:edwards25519', says: /Private Key Object; EC_EDWARDS/ },
] as const

const CURVES: Readonly<Record<string, string>> = {
  'EC:prime256v1': 'P-256',
  'EC:secp384r1': 'P-384',
  'EC:secp521r1': 'P-521',
}

const SECRETS = [
  { id: '11', type: 'AES:16', says: /Secret Key Object; AES length 16/ },
  { id: '12', type: 'AES:32', says: /Secret Key Object; AES length 32/ },
  { id: '13', type: 'GENERIC:32', says: /Secret Key Object; Generic secret length 32/ },
] as const

interface Signing {
  readonly mechanism: string
  readonly key: string
  /** Options of `pkcs11-tool` for it. */
  readonly options?: readonly string[]
  /** Hash that is computed before, where the mechanism does none. */
  readonly prehash?: string
  /** How `openssl` verifies it: a subcommand and options, without key, signature and data. */
  readonly openssl: readonly string[]
}

const HASHES = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const

const pss = (hash: string): readonly string[] => [
  ...['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest'],
  ...['-sigopt', `rsa_mgf1_md:${hash}`],
]

const mgf = (hash: string): readonly string[] => ['--mgf', `MGF1-${hash.toUpperCase()}`]

const SIGNINGS: readonly Signing[] = [
  ...HASHES.map((hash) => ({
    mechanism: `${hash.toUpperCase()}-RSA-PKCS`,
    key: RSA,
    openssl: ['dgst', `-${hash}`],
  })),
  ...HASHES.map((hash) => ({
    mechanism: `${hash.toUpperCase()}-RSA-PKCS-PSS`,
    key: RSA,
    options: mgf(hash),
    openssl: ['dgst', `-${hash}`, ...pss(hash)],
  })),
  ...(['sha1', 'sha256', 'sha512'] as const).map((hash) => ({
    mechanism: 'RSA-PKCS-PSS',
    key: RSA,
    prehash: hash,
    options: ['--hash-algorithm', hash === 'sha1' ? 'SHA-1' : hash.toUpperCase(), ...mgf(hash)],
    openssl: ['dgst', `-${hash}`, ...pss(hash)],
  })),
  { mechanism: 'RSA-PKCS', key: RSA, prehash: 'sha256', openssl: ['pkeyutl'] },
  { mechanism: 'SHA256-RSA-PKCS', key: '02', openssl: ['dgst', '-sha256'] },
  ...['03', '04', '05'].flatMap((key) => [
    { mechanism: 'ECDSA', key, prehash: 'sha256', openssl: ['dgst', '-sha256'] },
    ...HASHES.map((hash) => ({
      mechanism: `ECDSA-${hash.toUpperCase()}`,
      key,
      openssl: ['dgst', `-${hash}`],
    })),
  ]),
  { mechanism: 'EDDSA', key: '06', openssl: ['pkeyutl', '-rawin'] },
]

/** What it can ask for of the rest; a token of ours has all. */
const MECHANISMS = [
  ...['RSA-PKCS-KEY-PAIR-GEN', 'ECDSA-KEY-PAIR-GEN', 'EC-EDWARDS-KEY-PAIR-GEN', 'AES-KEY-GEN'],
  ...['RSA-X-509', 'RSA-PKCS-OAEP', 'ECDH1-DERIVE', 'GENERIC-SECRET-KEY-GEN', 'AES-KEY-WRAP'],
  ...['AES-ECB', 'AES-CBC', 'AES-CBC-PAD', 'AES-CTR', 'AES-GCM', 'AES-CMAC', 'DES3-CBC'],
  ...['SHA-1', 'SHA224', 'SHA256', 'SHA384', 'SHA512', 'SHA256-HMAC', 'SHA512-HMAC'],
] as const

/** Its --read-object fails with public keys of P-384 and Ed25519, whatever the token. */
function pemOfPoint(octetString: Buffer, type: string): string {
  const isLong = octetString[1] === 0x81
  const point = octetString.subarray(isLong ? 3 : 2)
  const encoded = (from: number, to?: number) => point.subarray(from, to).toString('base64url')
  const half = (point.length + 1) / 2
  const jwk =
    type === 'EC:edwards25519'
      ? { kty: 'OKP', crv: 'Ed25519', x: encoded(0) }
      : { kty: 'EC', crv: CURVES[type] as string, x: encoded(1, half), y: encoded(half) }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return String(key.export({ type: 'spki', format: 'pem' }))
}

describe('pkcs11-tool', { skip: absent('pkcs11-tool', 'openssl'), timeout: 600_000 }, () => {
  let token: TokenUnderTest
  let mechanisms: readonly string[]
  before(async () => {
    token = await startToken()
  })
  after(() => token?.stop())

  const tool = (...args: readonly string[]): Promise<Ended> => {
    const options = ['--module', token.module, '--token-label', LABEL, '--login', '--pin', PIN]
    return token.run('pkcs11-tool', [...options, ...args])
  }
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, output } = await tool(...args)
    deepStrictEqual(code, 0, output)
    doesNotMatch(output, /error:|Aborting/, output)
    return output
  }
  const openssl = (...args: readonly string[]): Promise<string> => token.done('openssl', args)
  /** Whether the token has it; ours has everything that is asked here. */
  const has = (mechanism: string): boolean => {
    return product === 'claviger' || mechanisms.includes(mechanism)
  }
  const publicKey = async (id: string): Promise<string> => {
    const pem = token.file(`${id}.pem`)
    const listed = await does('--list-objects', '--type', 'pubkey')
    const objects = listed.split(/^(?=Public Key Object)/m)
    const own = objects.find((text) => new RegExp(`^ +ID: +${id}$`, 'm').test(text))
    const point = /EC_POINT: +([0-9a-f]+)/.exec(own ?? '')?.[1]
    const type = KEY_PAIRS.find((one) => one.id === id)?.type
    if (point !== undefined && type !== undefined) {
      return token.file(`${id}.pem`, pemOfPoint(Buffer.from(point, 'hex'), type))
    }
    const der = token.file(`${id}.der`)
    await does('--read-object', '--type', 'pubkey', '--id', id, '-o', der)
    await openssl('pkey', '-pubin', '-inform', 'DER', '-in', der, '-out', pem)
    return pem
  }

  it('shows the library, its interfaces, slots, tokens and mechanisms', async () => {
    const shows = (what: string): Promise<string> => {
      return token.done('pkcs11-tool', ['--module', token.module, what])
    }
    match(await shows('--show-info'), /Cryptoki version/)
    match(await shows('--list-slots'), new RegExp(`token label +: ${LABEL}`))
    match(await shows('--list-token-slots'), /token initialized, PIN initialized/)
    const listed = await does('--list-mechanisms')
    mechanisms = [...listed.matchAll(/^ {2}([^\s,]+)/gm)].map(([, name = '']) => name)
    if (product === 'softhsm2') return
    const wanted = [...MECHANISMS, ...SIGNINGS.map(({ mechanism }) => mechanism)]
    deepStrictEqual(
      [...new Set(wanted)].filter((name) => !mechanisms.includes(name)),
      [],
      listed,
    )
    match(await does('--list-interfaces'), /Interface 'PKCS 11'\s+version: 3\.\d/)
  })

  it('makes key pairs of RSA, of the NIST curves and of Ed25519', async () => {
    for (const { id, type, says } of KEY_PAIRS) {
      const usage = type.startsWith('EC:p') ? ['--usage-sign', '--usage-derive'] : ['--usage-sign']
      const all = type === 'rsa:2048' ? [...usage, '--usage-decrypt'] : usage
      const options = ['--key-type', type, '--id', id, '--label', `pair ${id}`, ...all]
      match(await does('--keypairgen', ...options), says)
    }
  })

  it('makes secret keys', async () => {
    for (const { id, type, says } of SECRETS) {
      const usage = type.startsWith('GENERIC') ? '--usage-sign' : '--usage-decrypt'
      const options = ['--key-type', type, '--id', id, '--label', `secret ${id}`, usage]
      const said = await does('--keygen', ...options, '--sensitive')
      match(said, says)
      match(said, /sensitive/)
    }
  })

  it('lists what it has made', async () => {
    const listed = await does('--list-objects')
    for (const { id } of KEY_PAIRS) match(listed, new RegExp(`label: +pair ${id}\\n +ID: +${id}`))
    for (const { id } of SECRETS) match(listed, new RegExp(`label: +secret ${id}\\n +ID: +${id}`))
    const secrets = await does('--list-objects', '--type', 'secrkey')
    deepStrictEqual(secrets.match(/Secret Key Object/g)?.length, SECRETS.length)
    doesNotMatch(secrets, /Private Key Object/)
  })

  for (const signing of SIGNINGS) {
    const { mechanism, key, prehash } = signing
    const type = KEY_PAIRS.find(({ id }) => id === key)?.type
    const title = `signs with ${mechanism}${prehash ? ` of ${prehash}` : ''} and ${type}`
    it(`${title}, and openssl verifies it`, async (test) => {
      if (!has(mechanism)) return test.skip(`the token has no ${mechanism}`)
      const pem = await publicKey(key)
      const message = token.file('message', MESSAGE)
      const data = prehash === undefined ? message : token.file('digest')
      if (prehash) await openssl('dgst', `-${prehash}`, '-binary', '-out', data, message)
      const signature = token.file('signature')
      const isEc = mechanism.startsWith('ECDSA')
      const form = isEc ? ['--signature-format', 'openssl'] : []
      const options = ['--mechanism', mechanism, '--id', key, ...(signing.options ?? []), ...form]
      await does('--sign', ...options, '-i', data, '-o', signature)
      const [command = '', ...rest] = signing.openssl
      const verify =
        command === 'dgst'
          ? [command, ...rest, '-verify', pem, '-signature', signature, message]
          : [
              command,
              '-verify',
              '-pubin',
              '-inkey',
              pem,
              ...rest,
              '-sigfile',
              signature,
              '-in',
              data,
            ]
      match(await openssl(...verify), /Verified OK|Signature Verified Successfully/)
      const said = await does('--verify', ...options, '-i', data, '--signature-file', signature)
      match(said, /Signature is valid/)
      const altered = readFileSync(data)
      altered.writeUInt8((altered[0] as number) ^ 1)
      const other = token.file('other', altered)
      const refused = await tool('--verify', ...options, '-i', other, '--signature-file', signature)
      match(refused.output, /Invalid signature|CKR_SIGNATURE_INVALID/)
    })
  }

  it('signs a block as long as the modulus with RSA-X-509', async () => {
    const block = token.file('block', Buffer.concat([Buffer.alloc(1), randomBytes(255)]))
    const signature = token.file('signature')
    await does('--sign', '--mechanism', 'RSA-X-509', '--id', RSA, '-i', block, '-o', signature)
    const recovered = token.file('recovered')
    const key = ['-pubin', '-inkey', await publicKey(RSA), '-pkeyopt', 'rsa_padding_mode:none']
    await openssl('pkeyutl', '-encrypt', ...key, '-in', signature, '-out', recovered)
    deepStrictEqual(readFileSync(recovered), readFileSync(block))
  })

  it('decrypts what openssl has encrypted with RSA', async () => {
    const pem = await publicKey(RSA)
    const plain = token.file('plain', 'a short message')
    const cipher = token.file('cipher')
    const decrypted = token.file('decrypted')
    const oaep = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha1', 'rsa_mgf1_md:sha1']
    const paddings = [
      { mechanism: 'RSA-PKCS', keyOptions: ['rsa_padding_mode:pkcs1'], options: [] },
      {
        mechanism: 'RSA-PKCS-OAEP',
        keyOptions: oaep,
        options: ['--hash-algorithm', 'SHA-1', '--mgf', 'MGF1-SHA1'],
      },
    ]
    for (const { mechanism, keyOptions, options } of paddings) {
      const key = ['-pubin', '-inkey', pem, ...keyOptions.flatMap((one) => ['-pkeyopt', one])]
      await openssl('pkeyutl', '-encrypt', ...key, '-in', plain, '-out', cipher)
      const how = ['--mechanism', mechanism, '--id', RSA, ...options]
      await does('--decrypt', ...how, '-i', cipher, '-o', decrypted)
      deepStrictEqual(readFileSync(decrypted, 'utf8'), 'a short message', mechanism)
    }
  })

  it('encrypts with AES, and decrypts it', async () => {
    const iv = ['--iv', '000102030405060708090a0b0c0d0e0f']
    const plain = token.file('plain', MESSAGE.subarray(0, 48))
    for (const mechanism of ['AES-ECB', 'AES-CBC', 'AES-CBC-PAD']) {
      const options = [
        '--mechanism',
        mechanism,
        '--id',
        '12',
        ...(mechanism === 'AES-ECB' ? [] : iv),
      ]
      const [cipher, decrypted] = [token.file('cipher'), token.file('decrypted')]
      await does('--encrypt', ...options, '-i', plain, '-o', cipher)
      ok(readFileSync(cipher).length >= 48)
      ok(!readFileSync(cipher).includes(MESSAGE.subarray(0, 16)))
      await does('--decrypt', ...options, '-i', cipher, '-o', decrypted)
      deepStrictEqual(readFileSync(decrypted), readFileSync(plain), mechanism)
    }
  })

  it('encrypts with an imported AES key as openssl does', async () => {
    const key = randomBytes(32)
    const path = token.file('aes.key', key)
    const as = ['--id', '14', '--label', 'imported AES', '--usage-decrypt']
    await does('--write-object', path, '--type', 'secrkey', '--key-type', 'AES:32', ...as)
    const iv = '000102030405060708090a0b0c0d0e0f'
    const plain = token.file('plain', MESSAGE)
    const [ours, theirs] = [token.file('ours'), token.file('theirs')]
    const how = ['--mechanism', 'AES-CBC-PAD', '--id', '14', '--iv', iv]
    await does('--encrypt', ...how, '-i', plain, '-o', ours)
    const options = ['-aes-256-cbc', '-K', key.toString('hex'), '-iv', iv]
    await openssl('enc', ...options, '-in', plain, '-out', theirs)
    deepStrictEqual(readFileSync(ours), readFileSync(theirs))
  })

  it('agrees on a secret by ECDH', async () => {
    const [pem, peer] = [token.file('peer.pem'), token.file('peer.der')]
    await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', pem)
    await openssl('pkey', '-in', pem, '-pubout', '-outform', 'DER', '-out', peer)
    const [ours, theirs] = [token.file('ours'), token.file('theirs')]
    const how = ['--mechanism', 'ECDH1-DERIVE', '--id', '03']
    await does('--derive', ...how, '-i', peer, '-o', ours, '--extractable')
    const key = ['-inkey', pem, '-peerkey', await publicKey('03')]
    await openssl('pkeyutl', '-derive', ...key, '-out', theirs)
    deepStrictEqual(readFileSync(ours), readFileSync(theirs))
  })

  it('hashes, and makes random bytes', async () => {
    const [plain, digest] = [token.file('plain', MESSAGE), token.file('digest')]
    for (const [mechanism, name] of [
      ['SHA-1', 'sha1'],
      ['SHA256', 'sha256'],
      ['SHA512', 'sha512'],
    ] as const) {
      await does('--hash', '--mechanism', mechanism, '-i', plain, '-o', digest)
      const [said = ''] = (await openssl('dgst', `-${name}`, '-r', plain)).split(' ')
      deepStrictEqual(readFileSync(digest).toString('hex'), said)
    }
    const random = token.file('random')
    await does('--generate-random', '64', '-o', random)
    deepStrictEqual(readFileSync(random).length, 64)
  })

  it('writes certificates, data and keys, reads them, and deletes them', async () => {
    const [key, der, cert] = ['key.pem', 'key.der', 'cert.der'].map((name) => token.file(name))
    const request = ['-new', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=object']
    const paths = { key: key as string, der: der as string, cert: cert as string }
    await openssl('req', ...request, '-keyout', paths.key, '-outform', 'DER', '-out', paths.cert)
    await openssl('rsa', '-in', paths.key, '-outform', 'DER', '-out', paths.der)
    const data = token.file('data', MESSAGE)
    const as = ['--id', '21', '--label', 'written']
    await does('--write-object', paths.cert, '--type', 'cert', ...as)
    await does('--write-object', paths.der, '--type', 'privkey', ...as, '--usage-sign')
    const application = ['--application-label', 'conformance', '--application-id', '1.2.3.4']
    await does('--write-object', data, '--type', 'data', '--label', 'written', ...application)
    const back = token.file('back')
    await does('--read-object', '--type', 'cert', '--id', '21', '-o', back)
    deepStrictEqual(readFileSync(back), readFileSync(paths.cert))
    await does('--read-object', '--type', 'data', '--label', 'written', '-o', back)
    deepStrictEqual(readFileSync(back), MESSAGE)
    const listed = await does('--list-objects')
    match(
      listed,
      /Certificate Object; type = X\.509 cert\n +label: +written\n +subject: +DN: CN=object/,
    )
    match(listed, /application: 'conformance'|application: +'?conformance/)

    const signature = token.file('signature')
    const how = ['--mechanism', 'SHA256-RSA-PKCS', '--id', '21', '-i', data, '-o', signature]
    await does('--sign', ...how)
    const theirs = token.file('theirs')
    await openssl('dgst', '-sha256', '-sign', paths.key, '-out', theirs, data)
    deepStrictEqual(readFileSync(signature), readFileSync(theirs))

    for (const type of ['cert', 'privkey']) {
      await does('--delete-object', '--type', type, '--id', '21')
    }
    await does('--delete-object', '--type', 'data', '--label', 'written')
    doesNotMatch(await does('--list-objects'), /written/)
  })

  it('imports private and public keys of EC', async () => {
    const [pem, der, pub] = ['ec.pem', 'ec.der', 'ec.pub'].map((name) => token.file(name) as string)
    const paths = { pem: pem ?? '', der: der ?? '', pub: pub ?? '' }
    const curve = ['-name', 'prime256v1', '-noout', '-genkey', '-out', paths.pem]
    await openssl('ecparam', ...curve)
    await openssl('ec', '-in', paths.pem, '-outform', 'DER', '-out', paths.der)
    await openssl('ec', '-in', paths.pem, '-pubout', '-outform', 'DER', '-out', paths.pub)
    const as = ['--id', '22', '--label', 'imported EC', '--usage-sign']
    await does('--write-object', paths.der, '--type', 'privkey', ...as)
    await does('--write-object', paths.pub, '--type', 'pubkey', ...as)
    const [digest, signature] = [token.file('digest', randomBytes(32)), token.file('signature')]
    const how = ['--mechanism', 'ECDSA', '--id', '22', '--signature-format', 'openssl']
    await does('--sign', ...how, '-i', digest, '-o', signature)
    const verify = ['-verify', '-inkey', paths.pem, '-in', digest, '-sigfile', signature]
    match(await openssl('pkeyutl', ...verify), /Signature Verified Successfully/)
  })

  it('unwraps with RSA a key that openssl has wrapped', async () => {
    const secret = token.file('secret', randomBytes(32))
    const wrapped = token.file('wrapped')
    const wrapping = ['--id', '31', '--label', 'wrapping', '--usage-wrap']
    await does('--keypairgen', '--key-type', 'rsa:2048', ...wrapping)
    const key = ['-pubin', '-inkey', await publicKey('31')]
    await openssl('pkeyutl', '-encrypt', ...key, '-in', secret, '-out', wrapped)
    const made = ['--application-id', '32', '--application-label', 'unwrapped', '--sensitive']
    const how = ['--mechanism', 'RSA-PKCS', '--id', '31', '--key-type', 'AES:']
    await does('--unwrap', ...how, '-i', wrapped, ...made)
    match(await does('--list-objects', '--type', 'secrkey'), /label: +unwrapped\n +ID: +32/)
  })

  it('wraps a key with RSA and with AES, and unwraps it', async () => {
    const wrapping = ['--id', '33', '--label', 'wrapping', '--usage-wrap', '--sensitive']
    await does('--keygen', '--key-type', 'AES:32', ...wrapping)
    const target = ['--id', '34', '--label', 'to wrap', '--sensitive', '--extractable']
    await does('--keygen', '--key-type', 'AES:32', ...target, '--usage-decrypt')
    const [plain, first] = [token.file('plain', MESSAGE.subarray(0, 48)), token.file('first')]
    await does('--encrypt', '--mechanism', 'AES-ECB', '--id', '34', '-i', plain, '-o', first)
    const ways = [
      { mechanism: 'RSA-PKCS', id: '31', made: '35' },
      { mechanism: 'AES-KEY-WRAP', id: '33', made: '36' },
    ]
    for (const { mechanism, id, made } of ways) {
      const [wrapped, second] = [token.file('wrapped'), token.file('second')]
      const how = ['--mechanism', mechanism, '--id', id]
      await does('--wrap', ...how, '--application-id', '34', '-o', wrapped)
      const as = ['--key-type', 'AES:', '--application-id', made, '--sensitive', '--usage-decrypt']
      await does('--unwrap', ...how, '-i', wrapped, ...as)
      await does('--encrypt', '--mechanism', 'AES-ECB', '--id', made, '-i', plain, '-o', second)
      deepStrictEqual(readFileSync(second), readFileSync(first), mechanism)
    }
  })

  it('gives a key another ID', async () => {
    await does('--set-id', '0a0b0c', '--type', 'privkey', '--id', '06')
    match(await does('--list-objects', '--type', 'privkey'), /ID: +0a0b0c/)
    await does('--set-id', '06', '--type', 'privkey', '--id', '0a0b0c')
  })

  it('passes its --test', async (test) => {
    if (product === 'softhsm2') return test.skip('it has no label in OAEP')
    const sha1 = ['--hash-algorithm', 'SHA-1', '--mgf', 'MGF1-SHA1']
    for (const options of [[], sha1]) {
      const said = await does('--test', ...options)
      match(said, /C_SeedRandom\(\) and C_GenerateRandom\(\):\n.*seems to be OK/)
      match(said, /all \d digest functions seem to work/)
      match(said, /RSA-PKCS: OK/)
      match(said, /RSA-PKCS-OAEP: (mgf not set.*\n)?OK/)
      match(said, /No errors/)
    }
  })

  it('passes its --test-ec', async (test) => {
    if (!has('ECDSA-SHA1')) return test.skip('the token has no ECDSA-SHA1')
    const options = ['--key-type', 'EC:secp256r1', '--id', '41', '--session-rw']
    await does('--test-ec', ...options)
  })

  it('passes its --test-fork', async () => {
    await does('--test-fork')
  })

  it('passes its --test-threads', async (test) => {
    if (product === 'softhsm2') return test.skip('threads that initialise it together crash it')
    const options = ['--test-threads', 'IL:GI:SL:T0', '--test-threads', 'IL:GI:SL:GI:SL']
    const { code, output } = await tool(...options)
    deepStrictEqual(code, 0, output)
    doesNotMatch(output, /CKR_(?!OK|CRYPTOKI_ALREADY_INITIALIZED)/)
    match(output, /all threads have ended with CKR_OK/)
  })
})
