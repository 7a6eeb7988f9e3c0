/**
 * The host of an HSM's module: a process of its own that serves PKCS#11 RPC on the pipes it was
 * started with, one thread for each.
 *
 * `node server/hsm-host.ts MODULE LANES SPIN [RESERVED]`, SPIN in microseconds; the lanes are
 * descriptors from 3 on. The module is not touched before a word comes on standard input: until
 * then the process is one in waiting (`keystores/pkcs11/host-processes.ts`), and ends where no word
 * comes any more. Afterwards it ends when the lanes are closed. A module that crashes takes this
 * process and nothing else.
 *
 * @module
 */
import { writeSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { spinTime } from '#core/lookout.ts'
import { Handles, type NamedHandles } from '#keystores/pkcs11/handles.ts'
import { HostLane } from '#keystores/pkcs11/host-lane.ts'
import { LAST_WORDS } from '#keystores/pkcs11/host-processes.ts'
import { HostWatch } from '#keystores/pkcs11/host-watch.ts'
import { NativeModule } from '#keystores/pkcs11/native.ts'
import { createLog } from './log.ts'

const FIRST_DESCRIPTOR = 3
/** The server has its own limits, which are lower: this one is against messages that are none. */
const MESSAGE_BYTES_MAX = 67_108_864

interface LaneData {
  readonly module: string
  readonly reserved: string | undefined
  readonly descriptor: number
  readonly microseconds: number
  readonly looking: Int32Array
  readonly named: NamedHandles
}

/** The server has gone to great lengths already: what a module does is logged there. */
const log = createLog({ level: 'error', format: 'text' })

/** Starts a thread for each lane; loads the module when it is told to. */
function main([module, lanes, spin, reserved]: readonly string[]): void {
  if (module === undefined || lanes === undefined || spin === undefined) {
    throw new Error('usage: hsm-host MODULE LANES SPIN [RESERVED]')
  }
  const shared = {
    module,
    reserved,
    microseconds: spinTime(Number(spin)),
    looking: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    named: Handles.shared(),
  }
  const workers = Array.from({ length: Number(lanes) }, (_one, lane) => {
    const data: LaneData = { ...shared, descriptor: FIRST_DESCRIPTOR + lane }
    return new Worker(new URL(import.meta.url), { workerData: data })
  })
  const { stdin } = process
  const unwanted = (): void => {
    for (const worker of workers) void worker.terminate()
  }
  stdin.once('end', unwanted)
  stdin.once('error', unwanted)
  stdin.once('data', () => {
    stdin.removeAllListeners()
    stdin.destroy()
    try {
      serve(module, reserved, workers)
    } catch (error) {
      const why = (error as Error).message.replaceAll('\n', ' ')
      // Whoever has started this process logs it, and refuses with it.
      writeSync(process.stdout.fd, `\n${LAST_WORDS}${why}\n`)
      process.exitCode = 1
      unwanted()
    }
  })
}

function serve(module: string, reserved: string | undefined, workers: readonly Worker[]): void {
  // The module stays initialised for as long as the process lives.
  const native = new NativeModule(module)
  native.initialise(reserved)
  let open = workers.length
  for (const worker of workers) {
    worker.on('exit', () => {
      if (--open === 0) native.finalise()
    })
    worker.postMessage({ list: native.listAddress })
  }
}

function serveLane(
  { module, descriptor, microseconds, looking, named }: LaneData,
  list: bigint | undefined,
): void {
  const handles = new Handles(named)
  const lane = new HostLane({
    descriptor,
    module: new NativeModule(module, list, handles),
    handles,
    watch: new HostWatch({ descriptor, microseconds, looking }),
    messageBytesMax: MESSAGE_BYTES_MAX,
    failed: (name, err) => log.error({ function: name, err }, 'a call failed'),
  })
  lane.serve()
}

if (isMainThread) main(process.argv.slice(2))
else parentPort?.once('message', ({ list }) => serveLane(workerData as LaneData, list))
