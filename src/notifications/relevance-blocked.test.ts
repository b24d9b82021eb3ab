import { expect, test } from 'vitest';
import { now, relevanceOf, toOutcome } from '../../test/support/relevance.ts';
import { dayMs, later } from '../kernel/instant.ts';

// The relevance of notifications of bulk jobs, and for blocked customers.

const blocked = { customer: { isBlocked: true } } as const;

test.each([
  ['expired', blocked, 'blocked'],
  ['ends_24h', blocked, 'blocked'],
  ['grant', blocked, 'blocked'],
  ['receipt', blocked, 'send'],
  ['refund', blocked, 'send'],
  ['announcement', blocked, 'send'],
  ['announcement', { resolved: true }, 'cancelled'],
  ['announcement', { createdAt: later(now, -3 * dayMs) }, 'too_late'],
  ['announcement', { createdAt: later(now, 1 - 3 * dayMs) }, 'send'],
] as const)('%s of %j is decided as %s', (kind, options, outcome) => {
  expect(toOutcome(relevanceOf(kind, options))).toBe(outcome);
});
