import type { Call, Fate } from './bot-api.ts';

/** Draws from [0, 1), the same ones for the same seed (mulberry32). */
export function drawer(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every accident there is, as likely as another. */
const accidents: readonly Fate[] = [
  'lose',
  'drop',
  { status: 502 },
  { status: 502, taken: true },
  { status: 500, taken: true },
  { error: 500, description: 'Internal Server Error' },
  { slowMs: 150 },
  { slowMs: 400 },
];

/** Accidents by chance, the same for the same seed. `share`: of all calls; `hangs`: of those. */
export function seededFaults(
  seed: number,
  share: number,
  more: readonly Fate[] = [],
): (call: Call) => Fate {
  const draw = drawer(seed);
  const all = [...accidents, ...more];
  return () => (draw() < share ? (all[Math.floor(draw() * all.length)] as Fate) : 'serve');
}
