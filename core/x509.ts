/**
 * What a certificate says about itself, as attributes.
 *
 * KMIP 1.4 §3.8 to §3.15 (Certificate Type, Length, X.509 Identifier, Subject, Issuer, Digital
 * Signature Algorithm) and §3.49 (the sub-attributes); RFC 5280 §4.1 and §4.2.1.6. Names and serial
 * number are DER, taken from the certificate as they stand. A certificate that cannot be parsed is
 * stored all the same, without these attributes.
 *
 * @module
 */

import { X509Certificate } from 'node:crypto'
import { AsnConvert, type OctetString } from '@peculiar/asn1-schema'
import {
  Certificate,
  type Extension,
  IssueAlternativeName,
  id_ce_issuerAltName,
  id_ce_subjectAltName,
  type Name,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509'
import { pairOfNode, pairRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { AttributeKey } from '#spec/kmip/attributes.ts'
import { CertificateType, DigitalSignatureAlgorithm as Dsa } from '#spec/kmip/enumerations.ts'
import { specOfKey } from './key-formats.ts'

/** Object identifiers of signature algorithms, RFC 3279, RFC 4055, RFC 5758. */
const SIGNATURE_OIDS: Readonly<Record<string, Dsa>> = {
  '1.2.840.113549.1.1.2': Dsa.MD2WithRSAEncryption,
  '1.2.840.113549.1.1.4': Dsa.MD5WithRSAEncryption,
  '1.2.840.113549.1.1.5': Dsa.SHA_1WithRSAEncryption,
  '1.2.840.113549.1.1.14': Dsa.SHA_224WithRSAEncryption,
  '1.2.840.113549.1.1.11': Dsa.SHA_256WithRSAEncryption,
  '1.2.840.113549.1.1.12': Dsa.SHA_384WithRSAEncryption,
  '1.2.840.113549.1.1.13': Dsa.SHA_512WithRSAEncryption,
  '1.2.840.113549.1.1.10': Dsa.RSASSA_PSS,
  '1.2.840.10040.4.3': Dsa.DSAWithSHA_1,
  '2.16.840.1.101.3.4.3.1': Dsa.DSAWithSHA224,
  '2.16.840.1.101.3.4.3.2': Dsa.DSAWithSHA256,
  '1.2.840.10045.4.1': Dsa.ECDSAWithSHA_1,
  '1.2.840.10045.4.3.1': Dsa.ECDSAWithSHA224,
  '1.2.840.10045.4.3.2': Dsa.ECDSAWithSHA256,
  '1.2.840.10045.4.3.3': Dsa.ECDSAWithSHA384,
  '1.2.840.10045.4.3.4': Dsa.ECDSAWithSHA512,
}

/** Parts of a name by object identifier, RFC 4519; the names are those of KMIP 1.4 §3.49. */
const NAME_PARTS: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '1.2.840.113549.1.9.1': 'Email',
  '2.5.4.6': 'C',
  '2.5.4.8': 'ST',
  '2.5.4.7': 'L',
  '0.9.2342.19200300.100.1.1': 'UID',
  '2.5.4.5': 'SerialNumber',
  '2.5.4.12': 'Title',
  '0.9.2342.19200300.100.1.25': 'DC',
  '2.5.4.46': 'DNQualifier',
}

/** Attributes of a certificate; of an unreadable one only its length. */
export function certificateAttributes(
  certificateType: number,
  value: Uint8Array,
): readonly ListedAttribute[] {
  const always = [
    { id: 'certificateType', value: certificateType },
    { id: 'certificateLength', value: value.length },
  ] as const
  if (certificateType !== CertificateType.X_509) return always
  try {
    return [...always, ...nameAttributes(value), ...keyAttributes(value)]
  } catch {
    return always
  }
}

function nameAttributes(value: Uint8Array): readonly ListedAttribute[] {
  const { tbsCertificate: tbs, signatureAlgorithm } = AsnConvert.parse(value, Certificate)
  const subject = new Uint8Array(AsnConvert.serialize(tbs.subject))
  const issuer = new Uint8Array(AsnConvert.serialize(tbs.issuer))
  const certificateSerialNumber = derInteger(new Uint8Array(tbs.serialNumber))
  const { subject: subjectText, issuer: issuerText, serialNumber } = new X509Certificate(value)
  const dsa = SIGNATURE_OIDS[signatureAlgorithm.algorithm]
  const extensions = tbs.extensions ?? []
  const identifier = { issuerDistinguishedName: issuer, certificateSerialNumber }
  const subjectAlternativeName = alternativeNames(extensions, id_ce_subjectAltName)
  const issuerAlternativeName = alternativeNames(extensions, id_ce_issuerAltName)
  return [
    ...(dsa === undefined ? [] : [{ id: 'digitalSignatureAlgorithm', value: dsa } as const]),
    { id: 'x509CertificateIdentifier', value: identifier },
    {
      id: 'x509CertificateSubject',
      value: { subjectDistinguishedName: subject, subjectAlternativeName },
    },
    {
      id: 'x509CertificateIssuer',
      value: { issuerDistinguishedName: issuer, issuerAlternativeName },
    },
    { id: 'certificateIdentifier', value: { issuer: oneLine(issuerText), serialNumber } },
    {
      id: 'certificateSubject',
      value: {
        certificateSubjectDistinguishedName: oneLine(subjectText),
        certificateSubjectAlternativeName: [],
      },
    },
    {
      id: 'certificateIssuer',
      value: {
        certificateIssuerDistinguishedName: oneLine(issuerText),
        certificateIssuerAlternativeName: [],
      },
    },
    ...partAttributes('certificateSubject', tbs.subject),
    ...partAttributes('certificateIssuer', tbs.issuer),
  ]
}

/** Node writes one part a line, as they stand; RFC 4514 §2.1 the last one first, with commas. */
function oneLine(name: string): string {
  return name.split('\n').reverse().join(',')
}

function derInteger(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([0x02, bytes.length, ...bytes])
}

function alternativeNames(extensions: readonly Extension[], oid: string): readonly Uint8Array[] {
  const extension = extensions.find(({ extnID }) => extnID === oid)
  if (extension === undefined) return []
  const type = oid === id_ce_subjectAltName ? SubjectAlternativeName : IssueAlternativeName
  const names = AsnConvert.parse((extension.extnValue as OctetString).buffer, type)
  return [...names].map((name) => new Uint8Array(AsnConvert.serialize(name)))
}

function partAttributes(prefix: string, name: Name): readonly ListedAttribute[] {
  return [...name].flatMap((relative) =>
    [...relative].flatMap(({ type, value }) => {
      const part = NAME_PARTS[type]
      if (part === undefined) return []
      return { id: `${prefix}${part}` as AttributeKey, value: value.toString() }
    }),
  )
}

/** Algorithm and length of the certified key. */
function keyAttributes(value: Uint8Array): readonly ListedAttribute[] {
  const { publicKey } = new X509Certificate(value)
  const spec = specOfKey(publicKey)
  const algorithm = pairOfNode(publicKey.asymmetricKeyType ?? '')
  if (spec === undefined || algorithm === undefined) return []
  return [
    { id: 'cryptographicAlgorithm', value: pairRow(algorithm).kmip[0] },
    { id: 'cryptographicLength', value: spec.bits },
  ]
}
