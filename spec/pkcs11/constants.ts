/**
 * All constants of PKCS#11, from one place.
 *
 * @module
 */
export * from './constants/cka.ts'
export * from './constants/ckf.ts'
export * from './constants/ckk.ts'
export * from './constants/ckm.ts'
export * from './constants/cko.ts'
export * from './constants/ckr.ts'
export * from './constants/others.ts'
