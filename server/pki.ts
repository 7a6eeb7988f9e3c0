/**
 * The server's own certificate authority, and what it issues.
 *
 * RFC 5280. On first start an authority is made, certificates for the server (one with an EC and
 * one with an RSA key, so that old clients find one they understand) and one for the administrator.
 * The private key of the authority stays in the database, sealed; the others are files that only
 * their owner may read.
 *
 * @module
 */
import {
  createHash,
  createPrivateKey,
  type KeyObject,
  randomBytes,
  type webcrypto,
  X509Certificate,
} from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { KmsError } from '#core/errors.ts'
import { Secret } from '#core/secret.ts'
import type { Settings } from '#core/settings.ts'
import type { ServerIdentity } from '#fronts/kmip/server.ts'

const CA_SETTING = 'certificate authority key'
const CA_COPY = 'certificate authority certificate'

const DAY_SECONDS = 86_400
const CA_DAYS = 3_650
/** A certificate of the server with less than this part of its time left is replaced. */
const RENEW_PART = 1 / 3

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const
const EC_SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2_048,
} as const

/** Files of the data directory. */
export interface PkiPaths {
  readonly folder: string
  readonly ca: string
  readonly server: readonly { readonly cert: string; readonly key: string }[]
}

export function pkiPaths(dataDir: string): PkiPaths {
  const folder = join(dataDir, 'pki')
  const pair = (name: string) => ({
    cert: join(folder, `${name}.pem`),
    key: join(folder, `${name}.key`),
  })
  return { folder, ca: join(folder, 'ca.pem'), server: [pair('server'), pair('server-rsa')] }
}

/**
 * The files of a credential are called as it is, and stand beside ours.
 *
 * @throws `KmsError` `invalidField` when they would take the place of one of ours.
 */
export function assertNotOurs(name: string): void {
  const { ca, server } = pkiPaths('')
  const ours = [ca, ...server.map(({ cert }) => cert)].map((path) => basename(path, '.pem'))
  if (!ours.includes(name.toLowerCase())) return
  const what = `pki/${name}.pem is the server's own; choose another name`
  throw new KmsError('invalidField', `Cannot create credential "${name}": ${what}`)
}

/** A certificate with its private key. */
export interface Issued {
  readonly certPem: string
  readonly keyPem: string
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string
  readonly serial: string
  /** Seconds since the epoch. */
  readonly expires: number
}

type X509 = typeof import('@peculiar/x509')

/** Loaded when something has to be issued, which is seldom. */
async function x509(): Promise<X509> {
  // The library's own dependency injection wants it.
  await import('reflect-metadata')
  const library = await import('@peculiar/x509')
  library.cryptoProvider.set(crypto)
  return library
}

export class Authority {
  readonly #settings: Settings
  readonly #paths: PkiPaths
  readonly #serverDays: number

  /** @param serverDays How long certificates of the server are valid. */
  constructor(dataDir: string, settings: Settings, serverDays: number) {
    this.#settings = settings
    this.#paths = pkiPaths(dataDir)
    this.#serverDays = serverDays
  }

  get certificate(): string {
    return readFileSync(this.#paths.ca, 'utf8')
  }

  /** Makes the authority where there is none. */
  async establish(): Promise<void> {
    mkdirSync(this.#paths.folder, { recursive: true, mode: 0o700 })
    if ((await this.#settings.get(CA_SETTING)) !== undefined && (await this.#kept())) return
    const { privateKey, publicKey } = (await crypto.subtle.generateKey(EC, true, [
      'sign',
      'verify',
    ])) as webcrypto.CryptoKeyPair
    const name = `CN=Claviger CA ${randomBytes(4).toString('hex')}`
    const pem = await authorityPem(await x509(), name, publicKey, privateKey)
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', privateKey)
    using secret = new Secret(new Uint8Array(pkcs8))
    await this.#settings.put(CA_SETTING, secret)
    writeFile(this.#paths.ca, pem, 0o644)
    await this.#kept()
  }

  /**
   * Keeps a copy of the certificate in the database, and puts it back where the file is missing or
   * no certificate: a new authority would shut every client out.
   *
   * @returns Whether there is one.
   */
  async #kept(): Promise<boolean> {
    using copy = await this.#settings.get(CA_COPY)
    const known = copy && Buffer.from(copy.expose()).toString()
    const found = existsSync(this.#paths.ca) ? this.certificate : undefined
    if (found !== undefined && isCertificate(found)) {
      if (found === known) return true
      using secret = new Secret(Buffer.from(found))
      await this.#settings.put(CA_COPY, secret)
      return true
    }
    if (known === undefined) return false
    writeFile(this.#paths.ca, known, 0o644)
    return true
  }

  /**
   * A new certificate of the authority with the same name and key, valid from now on: whoever has
   * the old one trusts what is issued until that ends, and certificates of clients stay good.
   */
  async renew(): Promise<void> {
    const lib = await x509()
    const { subject, publicKey } = new lib.X509Certificate(this.certificate)
    const key = await publicKey.export()
    const pem = await authorityPem(lib, subject, key, await this.#signingKey())
    writeFile(this.#paths.ca, pem, 0o644)
    await this.#kept()
  }

  /** When the authority ends, in seconds since the epoch. */
  get expires(): number {
    return Math.floor(Date.parse(new X509Certificate(this.certificate).validTo) / 1000)
  }

  /** A certificate for a client. @param days From now. */
  issueClient(name: string, days: number): Promise<Issued> {
    return this.#issue(name, EC, days, (lib) => [
      new lib.ExtendedKeyUsageExtension([lib.ExtendedKeyUsage.clientAuth], false),
    ])
  }

  /**
   * The certificates of the server: from files, made anew where they are missing or end soon.
   *
   * @param names DNS names and addresses beside those of this machine.
   */
  async serverIdentities(names: readonly string[]): Promise<readonly ServerIdentity[]> {
    const identities: ServerIdentity[] = []
    for (const [index, { cert, key }] of this.#paths.server.entries()) {
      if (!this.#isFresh(cert, key, names)) {
        const issued = await this.#issueServer(index === 0 ? EC : RSA, names)
        writeFile(cert, issued.certPem, 0o644)
        writeFile(key, issued.keyPem, 0o600)
      }
      identities.push({ cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') })
    }
    return identities
  }

  /** There, with its key, from this authority, valid for a while yet, and for all names. */
  #isFresh(cert: string, key: string, names: readonly string[]): boolean {
    if (!existsSync(cert) || !existsSync(key)) return false
    const pem = readFileSync(cert, 'utf8')
    const keyPem = readFileSync(key, 'utf8')
    if (!isCertificate(pem) || !isPrivateKey(keyPem)) return false
    const certificate = new X509Certificate(pem)
    const left = Date.parse(certificate.validTo) - Date.now()
    if (left < RENEW_PART * this.#serverDays * DAY_SECONDS * 1_000) return false
    if (!isIssuedBy(certificate, this.certificate)) return false
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) return false
    return serverNames(names).every((name) => {
      const found = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)
      return found !== undefined
    })
  }

  #issueServer(algorithm: typeof EC | typeof RSA, names: readonly string[]): Promise<Issued> {
    const all = serverNames(names)
    return this.#issue('Claviger', algorithm, this.#serverDays, (lib) => [
      new lib.ExtendedKeyUsageExtension([lib.ExtendedKeyUsage.serverAuth], false),
      new lib.SubjectAlternativeNameExtension(
        all.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const),
      ),
    ])
  }

  async #issue(
    commonName: string,
    algorithm: typeof EC | typeof RSA,
    days: number,
    more: (lib: X509) => ConstructorParameters<X509['Extension']>[] | object[],
  ): Promise<Issued> {
    const lib = await x509()
    const ca = new lib.X509Certificate(this.certificate)
    const keys = (await crypto.subtle.generateKey(algorithm, true, [
      'sign',
      'verify',
    ])) as webcrypto.CryptoKeyPair
    const usage = lib.KeyUsageFlags.digitalSignature | lib.KeyUsageFlags.keyEncipherment
    const times = validity(days)
    const cert = await lib.X509CertificateGenerator.create({
      subject: [{ CN: [commonName] }],
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey: await this.#signingKey(),
      signingAlgorithm: EC_SIGNING,
      serialNumber: newSerial(),
      ...times,
      extensions: [
        new lib.BasicConstraintsExtension(false, undefined, true),
        new lib.KeyUsagesExtension(
          algorithm === EC ? lib.KeyUsageFlags.digitalSignature : usage,
          true,
        ),
        await lib.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await lib.AuthorityKeyIdentifierExtension.create(ca.publicKey),
        ...(more(lib) as InstanceType<X509['Extension']>[]),
      ],
    })
    const key = keyObject(await crypto.subtle.exportKey('jwk', keys.privateKey))
    return {
      certPem: cert.toString('pem'),
      keyPem: key.export({ format: 'pem', type: 'pkcs8' }) as string,
      fingerprint: createHash('sha256').update(new Uint8Array(cert.rawData)).digest('hex'),
      serial: cert.serialNumber,
      expires: Math.floor(times.notAfter.getTime() / 1000),
    }
  }

  async #signingKey(): Promise<CryptoKey> {
    using secret = await this.#settings.get(CA_SETTING)
    if (secret === undefined) throw new Error('the database has no key of a certificate authority')
    const bytes = Uint8Array.from(secret.expose())
    return crypto.subtle.importKey('pkcs8', bytes, EC, false, ['sign']) as Promise<CryptoKey>
  }
}

/** A certificate of the authority, signed by itself. */
async function authorityPem(
  lib: X509,
  name: string,
  publicKey: CryptoKey,
  signingKey: CryptoKey,
): Promise<string> {
  const cert = await lib.X509CertificateGenerator.create({
    subject: name,
    issuer: name,
    publicKey,
    signingKey,
    signingAlgorithm: EC_SIGNING,
    serialNumber: newSerial(),
    ...validity(CA_DAYS),
    extensions: [
      new lib.BasicConstraintsExtension(true, 0, true),
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.keyCertSign | lib.KeyUsageFlags.cRLSign, true),
      await lib.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
  return cert.toString('pem')
}

function keyObject(jwk: webcrypto.JsonWebKey): KeyObject {
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

function validity(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Math.floor(Date.now() / 1000)
  // Clocks of clients go wrong by minutes.
  const notBefore = new Date((now - 3_600) * 1000)
  return { notBefore, notAfter: new Date((now + days * DAY_SECONDS) * 1000) }
}

/** 16 bytes, positive: RFC 5280 §4.1.2.2 allows 20. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return bytes.toString('hex')
}

function serverNames(names: readonly string[]): readonly string[] {
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...names])]
}

/**
 * The certificate of a client, which somebody else has issued.
 *
 * @param name Of the credential, for the message.
 * @throws `KmsError` `invalidField` when it is none, or that of an authority.
 */
export function clientCertificate(name: string, pem: string): X509Certificate {
  const refused = (why: string): KmsError => {
    return new KmsError('invalidField', `Cannot register credential "${name}": ${why}`)
  }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    throw refused('what was given is no X.509 certificate in PEM')
  }
  if (certificate.ca) throw refused('its certificate is that of an authority, not of a client')
  return certificate
}

/** SHA-256 of the DER, hexadecimal. */
export function fingerprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex')
}

/** Whether one of the certificates of a PEM file has signed it. */
export function isIssuedBy(certificate: X509Certificate, authoritiesPem: string): boolean {
  const blocks = authoritiesPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  return (blocks ?? []).some((pem) => {
    const authority = new X509Certificate(pem)
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  })
}

/** A machine that stopped, or a disk that was full, may have left half a file. */
function isCertificate(pem: string): boolean {
  return isReadable(() => new X509Certificate(pem))
}

function isPrivateKey(pem: string): boolean {
  return isReadable(() => createPrivateKey(pem))
}

function isReadable(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

/** Written beside and renamed, so that nobody reads half a file, even after a power cut. */
export function writeFile(path: string, text: string, mode: number): void {
  rmSync(`${path}.new`, { force: true })
  writeFileSync(`${path}.new`, text, { mode, flush: true })
  renameSync(`${path}.new`, path)
}
