import { expect, test } from 'vitest';
import { type Instant, instant, later, minuteMs, secondMs } from '../kernel/instant.ts';
import {
  decideNodeUserState,
  describeNodeUserState,
  isConfirmed,
  type NodeUserFacts,
} from './node-user-state.ts';

const now = instant(Date.parse('2026-11-24T09:00:00Z'));
const at = (ms: number): Instant => later(now, ms);

const confirmed: NodeUserFacts = {
  subscriptionId: 1n,
  node: 'nl-1',
  isEntitled: true,
  lastSeenAt: at(-secondMs),
  downSince: null,
  nodeError: null,
  linkError: null,
  isFilled: true,
  isMarking: false,
  markedAt: null,
  attempts: null,
  nextAttemptAt: null,
  markError: null,
  quarantineReason: null,
  quarantineRetryAt: null,
};
const marked = { markedAt: at(-minuteMs), attempts: 2, nextAttemptAt: at(minuteMs) };
const refused = { ...marked, markError: 'flow unknown' };
const down = { downSince: at(-minuteMs), nodeError: 'connection refused' };

// The order is that of the rule.
test.each<[state: string, change: Partial<NodeUserFacts>, kind: string, isConfirmed: boolean]>([
  [
    'ends, and the node has not removed it',
    { isEntitled: false, ...refused },
    'removal_pending',
    false,
  ],
  [
    'ends, and the node is down',
    { isEntitled: false, ...marked, ...down },
    'removal_pending',
    false,
  ],
  ['has a plan that does not open the node', { isEntitled: false }, 'not_entitled', false],
  ['was confirmed before the outage of the node', down, 'node_down', true],
  ['waits for a node that is down', { ...down, ...marked }, 'node_down', false],
  [
    'waits for a node that was never reached',
    { lastSeenAt: null, isFilled: false },
    'not_reached',
    false,
  ],
  ['is on a node without a keeper', { lastSeenAt: at(-2 * minuteMs) }, 'no_keeper', true],
  [
    'is in quarantine on the node',
    { ...marked, quarantineReason: 'kills_node', quarantineRetryAt: at(minuteMs) },
    'quarantined',
    false,
  ],
  ['was refused by the node', refused, 'add_pending', false],
  ['waits for a marking job', { isMarking: true }, 'marking', false],
  ['waits for the filling of a new boot', { isFilled: false }, 'filling', false],
  ['is confirmed', {}, 'confirmed', true],
  ['is confirmed, and its link does not fit', { linkError: 'flow differs' }, 'confirmed', true],
])('a credential that %s', (_, change, kind, isOnNode) => {
  const facts = { ...confirmed, ...change };
  const state = decideNodeUserState(facts, now);
  expect([state.kind, isConfirmed(facts)]).toEqual([kind, isOnNode]);
  const { code, params, sentence } = describeNodeUserState(state);
  expect(code).toBe(kind);
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && name !== 'attempts') expect(sentence).toContain(String(value));
  }
});
