import { createRandom } from '../../src/demo/random.ts';
import type { CallOutcome, SendMessageCall } from './bot-api.ts';

/** Every accident there is, as likely as another. */
const commonFaults: readonly CallOutcome[] = [
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
export function createFaults(
  seed: number,
  share: number,
  more: readonly CallOutcome[] = [],
): (call: SendMessageCall) => CallOutcome {
  const draw = createRandom(seed);
  const all = [...commonFaults, ...more];
  return () => (draw() < share ? (all[Math.floor(draw() * all.length)] as CallOutcome) : 'serve');
}
