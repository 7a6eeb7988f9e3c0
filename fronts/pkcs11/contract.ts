/**
 * What the PKCS#11 server asks of the engine behind it.
 *
 * PKCS#11 3.2 §2 (application): login, sessions and session objects belong to an application, which
 * is a process on the other side of a socket, however many connections it has.
 *
 * @module
 */
import type { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers, RemoteFunction } from '#spec/pkcs11/types.ts'

/** Who is at the other end, as far as the socket tells. */
export interface Peer {
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly pid: number | undefined
}

/** An application that has called C_Initialize. */
export interface ApplicationInfo {
  readonly peer: Peer
  /** What the client says its process is; stock clients do not say. */
  readonly processId: number | undefined
  /** Whether the client is p11-kit's. */
  readonly isStock: boolean
  /** The string that the program gave in pReserved. */
  readonly reserved: string | undefined
}

/** What the engine keeps of one application. */
export interface Application {
  /**
   * Ends all sessions: after C_Finalize, or when the last connection has gone. Calls may still run;
   * one that waits for something (C_WaitForSlotEvent) must give up.
   */
  close(): void
}

/**
 * Answers the functions. C_Initialize and C_Finalize are the server's: it opens and closes
 * applications. Functions of several connections of one application may overlap; those of one
 * connection never do.
 */
export interface Engine<A extends Application = Application> {
  readonly handlers: Omit<Handlers<A>, 'C_Initialize' | 'C_Finalize'>
  /** @throws CryptokiError where the application is not let in */
  open(info: ApplicationInfo): A
  /**
   * A call that was longer than `limits.callBytesMax`, so that its arguments are not known.
   *
   * @param hSession Its first argument; without meaning where the function has another one.
   * @returns What it is refused with.
   */
  tooLong(application: A, name: RemoteFunction, hSession: number, bytes: number): CryptokiError
}
