/**
 * What several rounds come to.
 *
 * Rivals take turns, so that each round has its own quotient: the machine was in the same state for
 * both. The median of these quotients counts, and not the quotient of two bests, which may be of
 * different minutes of a machine that is twice as fast in one as in the other.
 *
 * @module
 */

interface Rate {
  readonly perSecond: number
}

/** Of an even number the upper of the two in the middle; `NaN` of none. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

/** The round in the middle, by operations a second; undefined of none. */
export function middle<Round extends Rate>(
  rounds: readonly (Round | undefined)[],
): Round | undefined {
  const measured = rounds.filter((one) => one !== undefined)
  const perSecond = median(measured.map((one) => one.perSecond))
  return measured.find((one) => one.perSecond === perSecond)
}

/** The median of what each round has for this; undefined when no round has anything. */
export function medianOf<Round>(
  rounds: readonly Round[],
  value: (round: Round) => number | undefined,
): number | undefined {
  const values = rounds.map(value).filter((one) => one !== undefined)
  return values.length === 0 ? undefined : median(values)
}

/** How many operations a second one does of the other's; undefined where one was not measured. */
export function quotient(one: Rate | undefined, other: Rate | undefined): number | undefined {
  return one && other && one.perSecond / other.perSecond
}
