import { randomOf } from '../../src/demo/random.ts';
import type { Call, Fate } from './bot-api.ts';

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
  const draw = randomOf(seed);
  const all = [...accidents, ...more];
  return () => (draw() < share ? (all[Math.floor(draw() * all.length)] as Fate) : 'serve');
}
