/**
 * The database in memory passes the contract of databases.
 *
 * @module
 */
import { databaseContract } from '../contract.ts'
import { MemoryContents, MemoryDatabase } from './memory.ts'

databaseContract({
  name: 'memory',
  create: async () => {
    const contents = new MemoryContents()
    return { open: async () => new MemoryDatabase(contents), remove: async () => {} }
  },
})
