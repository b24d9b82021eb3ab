/** Numbers from 0 up to 1, the same ones for the same seed. */
export type Random = () => number;

/** mulberry32: 32 bits of state, sufficient for generated data. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 up to `below`. */
export function drawInteger(random: Random, below: number): number {
  return Math.floor(random() * below);
}

export function drawBoolean(random: Random, percent: number): boolean {
  return random() * 100 < percent;
}

export function drawOne<T>(random: Random, values: readonly [T, ...T[]]): T {
  return values[drawInteger(random, values.length)] as T;
}

function drawHex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits) text += drawInteger(random, 16).toString(16);
  return text;
}

/** A v4 UUID for generated data only, because a seed can be guessed. */
export function drawUuid(random: Random): string {
  const variant = (8 + drawInteger(random, 4)).toString(16);
  return [8, 4, 3, 3, 12]
    .map((digits, part) => `${['', '', '4', variant, ''][part]}${drawHex(random, digits)}`)
    .join('-');
}

/** A secret of a subscription URL, for generated data only. */
export function drawToken(random: Random): string {
  return drawHex(random, 22);
}
