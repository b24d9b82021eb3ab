/** Numbers from 0 up to 1, the same ones for the same seed. */
export type Random = () => number;

/** mulberry32: 32 bits of state, good enough for a book that looks like one. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 up to `below`. */
export function whole(random: Random, below: number): number {
  return Math.floor(random() * below);
}

export function chance(random: Random, percent: number): boolean {
  return random() * 100 < percent;
}

export function someOf<T>(random: Random, things: readonly [T, ...T[]]): T {
  return things[whole(random, things.length)] as T;
}

function randomHex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits) text += whole(random, 16).toString(16);
  return text;
}

/** In the shape of a v4 UUID; for books that are nobody's, since a seed can be guessed. */
export function randomUuid(random: Random): string {
  const variant = (8 + whole(random, 4)).toString(16);
  return [8, 4, 3, 3, 12]
    .map((digits, part) => `${['', '', '4', variant, ''][part]}${randomHex(random, digits)}`)
    .join('-');
}

/** In the shape of a subscription URL's secret; as above. */
export function randomToken(random: Random): string {
  return randomHex(random, 22);
}
