/**
 * Published known answers for the keystore contract.
 *
 * FIPS 197 appendix C, NIST SP 800-38A appendix F, SP 800-38B, SP 800-38C example 1, the GCM
 * specification's test cases 2 and 4, IEEE 1619 vector 2, SP 800-67 appendix B, RFC 2202, 3394,
 * 4231, 4493, 5649, 5869, 6070, 7748, 8032 and 8439, FIPS 180-4 and FIPS 202 ("abc"). Everything is
 * hexadecimal unless the name says text.
 *
 * Only values; `contract.ts` uses them.
 *
 * @module
 */
import type {
  Cipher,
  Hash,
  KeyAlgorithm,
  Mac,
  PairAlgorithm,
  SecretKeyAlgorithm,
} from '#spec/algorithms.ts'

export interface CipherAnswer {
  readonly source: string
  readonly cipher: Cipher
  readonly algorithm: KeyAlgorithm
  readonly key: string
  readonly iv?: string
  readonly aad?: string
  readonly plain: string
  readonly data: string
  readonly tag?: string
}

const BYTES_0_TO_31 = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
const IV_0_TO_15 = '000102030405060708090a0b0c0d0e0f'
const FIPS_197_PLAIN = '00112233445566778899aabbccddeeff'
const NIST_KEY = '2b7e151628aed2a6abf7158809cf4f3c'
const NIST_PLAIN = '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51'
const SUNSCREEN = Buffer.from(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
    'sunscreen would be it.',
).toString('hex')

const aes = (
  source: string,
  cipher: Cipher,
  key: string,
  plain: string,
  data: string,
  rest: Pick<CipherAnswer, 'iv' | 'aad' | 'tag'> = {},
): CipherAnswer => ({ source, cipher, algorithm: 'AES', key, plain, data, ...rest })

export const CIPHER_ANSWERS: readonly CipherAnswer[] = [
  aes(
    'FIPS 197 C.1',
    'AES_ECB',
    BYTES_0_TO_31.slice(0, 32),
    FIPS_197_PLAIN,
    '69c4e0d86a7b0430d8cdb78070b4c55a',
  ),
  aes(
    'FIPS 197 C.2',
    'AES_ECB',
    BYTES_0_TO_31.slice(0, 48),
    FIPS_197_PLAIN,
    'dda97ca4864cdfe06eaf70a0ec0d7191',
  ),
  aes('FIPS 197 C.3', 'AES_ECB', BYTES_0_TO_31, FIPS_197_PLAIN, '8ea2b7ca516745bfeafc49904b496089'),
  aes(
    'SP 800-38A F.1.1',
    'AES_ECB',
    NIST_KEY,
    NIST_PLAIN,
    '3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf',
  ),
  aes(
    'SP 800-38A F.2.1',
    'AES_CBC',
    NIST_KEY,
    NIST_PLAIN,
    '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2',
    { iv: IV_0_TO_15 },
  ),
  aes(
    'SP 800-38A F.3.7',
    'AES_CFB8',
    NIST_KEY,
    '6bc1bee22e409f96e93d7e117393172aae2d',
    '3b79424c9c0dd436bace9e0ed4586a4f32b9',
    { iv: IV_0_TO_15 },
  ),
  aes(
    'SP 800-38A F.3.13',
    'AES_CFB128',
    NIST_KEY,
    NIST_PLAIN,
    '3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b',
    { iv: IV_0_TO_15 },
  ),
  aes(
    'SP 800-38A F.4.1',
    'AES_OFB',
    NIST_KEY,
    NIST_PLAIN,
    '3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825',
    { iv: IV_0_TO_15 },
  ),
  aes(
    'SP 800-38A F.5.1',
    'AES_CTR',
    NIST_KEY,
    NIST_PLAIN,
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff',
    { iv: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff' },
  ),
  aes(
    'GCM test case 2',
    'AES_GCM',
    '00'.repeat(16),
    '00'.repeat(16),
    '0388dace60b6a392f328c2b971b2fe78',
    { iv: '00'.repeat(12), tag: 'ab6e47d42cec13bdf53a67b21257bddf' },
  ),
  aes(
    'GCM test case 4',
    'AES_GCM',
    'feffe9928665731c6d6a8f9467308308',
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
      '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
      '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
    {
      iv: 'cafebabefacedbaddecaf888',
      aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      tag: '5bc94fbc3221a5db94fae95ae7121a47',
    },
  ),
  aes(
    'SP 800-38C example 1',
    'AES_CCM',
    '404142434445464748494a4b4c4d4e4f',
    '20212223',
    '7162015b',
    { iv: '10111213141516', aad: '0001020304050607', tag: '4dac255d' },
  ),
  // RFC 3962 has the last two pieces the other way round, which is the variant CBC-CS3.
  aes(
    'RFC 3962 appendix B, 17 bytes, in the order of SP 800-38A CBC-CS1',
    'AES_CTS',
    '636869636b656e207465726979616b69',
    '4920776f756c64206c696b652074686520',
    '97c6353568f2bf8cb4d8a580362da7ff7f',
    { iv: '00'.repeat(16) },
  ),
  aes(
    'RFC 3962 appendix B, 31 bytes, in the order of SP 800-38A CBC-CS1',
    'AES_CTS',
    '636869636b656e207465726979616b69',
    '4920776f756c64206c696b65207468652047656e6572616c20476175277320',
    '97687268d6ecccc0c07b25e25ecfe5fc00783e0efdb2c1d445d4c8eff7ed22',
    { iv: '00'.repeat(16) },
  ),
  aes(
    'IEEE 1619 vector 2',
    'AES_XTS',
    '11'.repeat(16) + '22'.repeat(16),
    '44'.repeat(32),
    'c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0',
    { iv: '33333333330000000000000000000000' },
  ),
  aes(
    'RFC 3394 §4.1',
    'AES_KEY_WRAP',
    BYTES_0_TO_31.slice(0, 32),
    FIPS_197_PLAIN,
    '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5',
  ),
  aes(
    'RFC 3394 §4.6',
    'AES_KEY_WRAP',
    BYTES_0_TO_31,
    `${FIPS_197_PLAIN}${IV_0_TO_15}`,
    '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
  ),
  aes(
    'RFC 5649 §6, 20 bytes',
    'AES_KEY_WRAP_KWP',
    '5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8',
    'c37b7e6492584340bed12207808941155068f738',
    '138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a',
  ),
  aes(
    'RFC 5649 §6, 7 bytes',
    'AES_KEY_WRAP_KWP',
    '5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8',
    '466f7250617369',
    'afbeb0f07dfbf5419200f2ccb50bb24f',
  ),
  {
    source: 'SP 800-67 B.1',
    cipher: 'DES3_ECB',
    algorithm: 'DES3',
    key: '0123456789abcdef23456789abcdef01456789abcdef0123',
    plain: '54686520717566636b2062726f776e20666f78206a756d70',
    data: 'a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900',
  },
  {
    source: 'RFC 8439 §2.4.2',
    cipher: 'CHACHA20',
    algorithm: 'ChaCha20',
    key: BYTES_0_TO_31,
    iv: '01000000000000000000004a00000000',
    plain: SUNSCREEN.slice(0, 64),
    data: '6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b',
  },
  {
    source: 'RFC 8439 §2.8.2',
    cipher: 'CHACHA20_POLY1305',
    algorithm: 'ChaCha20Poly1305',
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    iv: '070000004041424344454647',
    aad: '50515253c0c1c2c3c4c5c6c7',
    plain: SUNSCREEN,
    data:
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
      '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
      '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
      '3ff4def08e4b7a9de576d26586cec64b6116',
    tag: '1ae10b594f09e26a7e902ecbd0600691',
  },
]

export interface MacAnswer {
  readonly source: string
  readonly mac: Mac
  readonly algorithm: SecretKeyAlgorithm
  readonly key: string
  readonly nonce?: string
  readonly data: string
  readonly code: string
}

const JEFE = Buffer.from('Jefe').toString('hex')
const WANT = Buffer.from('what do ya want for nothing?').toString('hex')
const jefe = (source: string, mac: SecretKeyAlgorithm & Mac, code: string): MacAnswer => {
  return { source, mac, algorithm: mac, key: JEFE, data: WANT, code }
}
const cmac = (data: string, code: string): MacAnswer => {
  return { source: 'RFC 4493 §4', mac: 'AES_CMAC', algorithm: 'AES', key: NIST_KEY, data, code }
}

export const MAC_ANSWERS: readonly MacAnswer[] = [
  jefe('RFC 2202 §2', 'HMAC_MD5', '750c783e6ab0b503eaa86e310a5db738'),
  jefe('RFC 2202 §3', 'HMAC_SHA1', 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'),
  jefe('RFC 4231 §4.3', 'HMAC_SHA224', 'a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44'),
  jefe(
    'RFC 4231 §4.3',
    'HMAC_SHA256',
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ),
  jefe(
    'RFC 4231 §4.3',
    'HMAC_SHA384',
    'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e' +
      '8e2240ca5e69e2c78b3239ecfab21649',
  ),
  jefe(
    'RFC 4231 §4.3',
    'HMAC_SHA512',
    '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554' +
      '9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
  ),
  cmac('', 'bb1d6929e95937287fa37d129b756746'),
  cmac(NIST_PLAIN.slice(0, 32), '070a16b46b4d4144f79bdd9dd04a287c'),
  cmac(`${NIST_PLAIN}30c81c46a35ce411`, 'dfa66747de9ae63030ca32611497c827'),
  {
    source: 'SP 800-38B D.4',
    mac: 'DES3_CMAC',
    algorithm: 'DES3',
    key: '8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5',
    data: '',
    code: 'b7a688e122ffaf95',
  },
  {
    source: 'GCM test case 1',
    mac: 'AES_GMAC',
    algorithm: 'AES',
    key: '00'.repeat(16),
    nonce: '00'.repeat(12),
    data: '',
    code: '58e2fccefa7e3061367f1d57a4e7455a',
  },
  {
    source: 'RFC 8439 §2.5.2',
    mac: 'POLY1305',
    algorithm: 'Poly1305',
    key: '85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b',
    data: Buffer.from('Cryptographic Forum Research Group').toString('hex'),
    code: 'a8061dc1305136c6c22b8baf0c0127a9',
  },
]

/** Digests of the text "abc". */
export const HASHES_OF_ABC: Readonly<Record<Hash, string>> = {
  MD5: '900150983cd24fb0d6963f7d28e17f72',
  SHA_1: 'a9993e364706816aba3e25717850c26c9cd0d89d',
  SHA_224: '23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7',
  SHA_256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  SHA_384:
    'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed' +
    '8086072ba1e7cc2358baeca134c825a7',
  SHA_512:
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
    '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  SHA_512_224: '4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa',
  SHA_512_256: '53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23',
  SHA3_224: 'e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf',
  SHA3_256: '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532',
  SHA3_384:
    'ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2' +
    '98d88cea927ac7f539f1edf228376d25',
  SHA3_512:
    'b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e' +
    '10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0',
}

/** RFC 8032 §7.1, tests 1 and 2. */
export const ED25519_ANSWERS = [
  {
    privateKey: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555' +
      'fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    privateKey: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0' +
      '85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
] as const

/** RFC 7748 §6.1. */
export const X25519_ANSWER = {
  algorithm: 'X25519' satisfies PairAlgorithm,
  privateKey: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
  peer: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  shared: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
} as const

/** RFC 5869 A.1. */
export const HKDF_ANSWER = {
  key: '0b'.repeat(22),
  salt: '000102030405060708090a0b0c',
  info: 'f0f1f2f3f4f5f6f7f8f9',
  extracted: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
  output: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
} as const

/** RFC 6070 §2: "password" and "salt" with HMAC-SHA-1. */
export const PBKDF2_ANSWERS = [
  { iterations: 1, output: '0c60c80f961f0e71f3a9b524af6012062fe037a6' },
  { iterations: 4096, output: '4b007901b765489abead49d926f721d065a429c1' },
] as const

/** CAVP, SP 800-108 in counter mode: CMAC with AES-128, the counter before the fixed input. */
export const SP800_108_ANSWERS = [
  {
    counterBits: 8,
    key: 'dff1e50ac0b69dc40f1051d46c2b069c',
    input:
      'c16e6e02c5a3dcc8d78b9ac1306877761310455b4e41469951d9e6c2245a064b33fd8c3b01203a78' +
      '24485bf0a64060c4648b707d2607935699316ea5',
    output: '8be8f0869b3c0ba97b71863d1b9f7813',
  },
  {
    counterBits: 16,
    key: '5e534bea459e54c58a6942abfd4df8ab',
    input:
      'e9a5cc15d223aaa74abd122983b2a10512199b9cc87663fd8a62d417cef53770264fc51f683890fe' +
      '42da2df7be0f60898c5b09d5c4932137b6b1e06e',
    output: '92480eb4860123ceda76f1e6bf2668520bea49ed72bb900ae50725bb8cfcdb733af1a9de71fe1af5',
  },
  {
    counterBits: 24,
    key: '1bfaf4cd6efd25a132e2a1d41b124465',
    input:
      'b933cfbb223ea65ed0e8db822f83be64ee21d3b9ca1eb0bc32f9d77f145a3e4ed4e2cc72cb3d93ea' +
      '44824ab81eefdf71bbdb62067e0eb34a79914e4f',
    output: '75f4d20c558d71646ec062d2ca75369a218cedb7104be3abf27026af003e98f3',
  },
  {
    counterBits: 32,
    key: 'b2fcf854b1029888aeb0274ca09bb21a',
    input:
      'a6b84baae7a6ceb1d63ed704757500c510c0a8bdc22d2f42af09f79c815f37f33b67dad0b30f428f' +
      'c1e2d355f7f91f65acbedd2fdd5b8c38dd890407',
    output: 'fe4c2c0242c5a295c008aeb87ae0815171de6173773292347f4f5ec07185c3f860b5667c199aad55',
  },
] as const

/** CAVP, SP 800-135 for TLS 1.2 with SHA-256; the seed begins with its label. */
export const TLS12_ANSWERS = [
  {
    key:
      'f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bcadb386b411fd4fe43' +
      '13a604fce6c17fbc',
    seed:
      '6d61737465722073656372657436c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8f' +
      'd0364cae8cf6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50053fce',
    output:
      '202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d' +
      '52a65e66125188bf',
  },
  {
    key:
      '202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d' +
      '52a65e66125188bf',
    seed:
      '6b657920657870616e73696f6eae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5' +
      'ff14f3986862e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616',
    output:
      'd06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f' +
      '7e1d6590d0f0566b2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c384' +
      '45ad9f8c64bf8068bf9a6679485d966f1ad6f68b43495b10a683755ea2b858d70ccac7ec8b053c6b' +
      'd41ca299d4e51928',
  },
] as const

/** CAVP, SP 800-135 for ANSI X9.63 with SHA-256: a shared secret and what comes of it. */
export const X9_63_ANSWER = {
  shared: '22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d',
  info: '75eef81aa3041e33b80971203d2c0c52',
  output:
    'c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e52a13d9c7c6fc878' +
    'c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485500c90c3af8b487872d04685d14c8d1d' +
    'c8d7fa08beb0ce0ababc11f0bd496269142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7' +
    'e386128ec26afc21',
} as const
