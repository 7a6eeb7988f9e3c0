/**
 * Versions of KMIP as numbers that compare: 1.4 is 14.
 *
 * KMIP 1.0 to 2.1; `3.0` marks values of the committee drafts that a row of ours already has
 * (ML-KEM, ML-DSA, SLH-DSA), no version that is spoken.
 *
 * @module
 */

/** As the documents write it. */
export type VersionText = '1.0' | '1.1' | '1.2' | '1.3' | '1.4' | '2.0' | '2.1' | '3.0'

/** A version that is spoken. */
export type Version = 10 | 11 | 12 | 13 | 14 | 20 | 21

/** Oldest first. */
export const VERSIONS: readonly Version[] = [10, 11, 12, 13, 14, 20, 21]

export const VERSION_MAX: Version = 21

/** First version in which attributes are tagged values instead of named ones. */
export const VERSION_2: Version = 20

export function rankOf(version: VersionText): number {
  return Number(version.replace('.', ''))
}

export function versionText(version: number): string {
  return `${Math.floor(version / 10)}.${version % 10}`
}

/** Protocol Version, KMIP 2.1 §8.7. */
export interface ProtocolVersion {
  readonly major: number
  readonly minor: number
}

export function protocolVersionOf(version: Version): ProtocolVersion {
  return { major: Math.floor(version / 10), minor: version % 10 }
}

/**
 * The version to read and answer with: the same, or our highest minor version of that major version
 * when the peer's is higher; undefined when the major version is not ours.
 *
 * KMIP 1.4 §6.1: any implementation accepts older minor versions of the same major version.
 */
export function spokenVersion(protocol: ProtocolVersion): Version | undefined {
  const { major, minor } = protocol
  if (minor < 0) return undefined
  for (let at = VERSIONS.length - 1; at >= 0; at--) {
    const version = VERSIONS[at] as Version
    if (Math.floor(version / 10) === major && version % 10 <= minor) return version
  }
  return undefined
}
