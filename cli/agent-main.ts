/**
 * What `bin/claviger agent` runs where there is no flat program yet.
 *
 * @module
 */
import { main } from './agent-start.ts'

main()
