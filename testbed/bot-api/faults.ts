import { createRandom } from '../../src/demo/random.ts';
import type { CallOutcome, SendMessageCall } from './bot-api.ts';

/** All faults, equally likely. */
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

/**
 * Random faults, the same for the same seed. `share` is their share of all calls, `hangs` the share
 * of faults that never answer.
 */
export function createFaults(
  seed: number,
  share: number,
  more: readonly CallOutcome[] = [],
): (call: SendMessageCall) => CallOutcome {
  const draw = createRandom(seed);
  const all = [...commonFaults, ...more];
  return () => (draw() < share ? (all[Math.floor(draw() * all.length)] as CallOutcome) : 'serve');
}
