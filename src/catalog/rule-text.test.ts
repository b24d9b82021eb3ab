import { expect, test } from 'vitest';
import { dayMs, hourMs } from '../kernel/instant.ts';
import { formatRuleChange, type RuleChange } from './rule-text.ts';

const renewal = { window_ms: 6 * hourMs, retry_ms: hourMs, revive_ms: 0, notice_ms: dayMs };

const changes: readonly [text: string, change: RuleChange][] = [
  [
    '+ renewal: { window: 6h, retry: 1h, revive: off, notice: 1d }',
    { key: 'renewal', value: renewal, before: null },
  ],
  [
    '~ renewal.window: 6h -> 36h, renewal.revive: off -> 7d',
    {
      key: 'renewal',
      value: { ...renewal, window_ms: 36 * hourMs, revive_ms: 7 * dayMs },
      before: renewal,
    },
  ],
  [
    '~ notices.renewal_ahead: 3d -> { 30: off, 90: 3d }',
    {
      key: 'notices',
      value: {
        renewal_ahead: [
          { from_days: 30, ahead_ms: null },
          { from_days: 90, ahead_ms: 3 * dayMs },
        ],
      },
      before: { renewal_ahead: [{ from_days: 1, ahead_ms: 3 * dayMs }] },
    },
  ],
  [
    '~ feed.update: 12h -> 24h, feed.title: not set -> { en: Shop }',
    {
      key: 'feed',
      value: { update_hours: 24, title: { en: 'Shop' } },
      before: { update_hours: 12 },
    },
  ],
  [
    '~ money.claims: on -> off',
    {
      key: 'money',
      value: { top_up_max: '100000', claims: false },
      before: { top_up_max: '100000', claims: true },
    },
  ],
  [
    '+ trial: { plan: basic, days: 3 }',
    { key: 'trial', value: { plan: 'basic', days: 3 }, before: null },
  ],
];

test.each(changes)('%s', (text, change) => {
  expect(formatRuleChange(change)).toBe(text);
});
