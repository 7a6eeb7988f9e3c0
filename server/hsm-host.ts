/**
 * The host of an HSM's module: a process of its own that serves PKCS#11 RPC on the pipes it was
 * started with, one thread for each.
 *
 * `node server/hsm-host.ts MODULE LANES [RESERVED]`; the lanes are descriptors from 3 on. It ends
 * when they are closed. A module that crashes takes this process and nothing else.
 *
 * @module
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { limitsWith } from '#core/limits.ts'
import { HostLane } from '#keystores/pkcs11/host-lane.ts'
import { NativeModule } from '#keystores/pkcs11/native.ts'
import { createLog } from './log.ts'

const FIRST_DESCRIPTOR = 3

interface LaneData {
  readonly module: string
  readonly reserved: string | undefined
  readonly descriptor: number
}

/** The server has gone to great lengths already: what a module does is logged there. */
const log = createLog({ level: 'error', format: 'text' })

/** Loads the module, and starts a thread for each lane. */
function main([module, lanes, reserved]: readonly string[]): void {
  if (module === undefined || lanes === undefined) {
    throw new Error('usage: hsm-host MODULE LANES [RESERVED]')
  }
  // The module stays initialised for as long as the process lives.
  const native = new NativeModule(module)
  native.initialise(reserved)
  let open = Number(lanes)
  for (let lane = 0; lane < Number(lanes); lane++) {
    const data: LaneData = { module, reserved, descriptor: FIRST_DESCRIPTOR + lane }
    const worker = new Worker(new URL(import.meta.url), { workerData: data })
    worker.on('exit', () => {
      if (--open === 0) native.finalise()
    })
  }
}

function serveLane({ module, descriptor }: LaneData): void {
  const lane = new HostLane({
    descriptor,
    module: new NativeModule(module),
    messageBytesMax: limitsWith().callBytesMax,
    failed: (name, err) => log.error({ function: name, err }, 'a call failed'),
  })
  lane.serve()
}

if (isMainThread) main(process.argv.slice(2))
else serveLane(workerData as LaneData)
