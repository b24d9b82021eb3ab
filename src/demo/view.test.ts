import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { instant } from '../kernel/instant.ts';
import type { ActivityItem } from './activity.ts';
import {
  createLiveView,
  createPlainView,
  createTotals,
  type DemoState,
  renderPicture,
} from './view.ts';

const node = { id: 'demo-1', users: 476, wanted: 476, active: 476, equal: true, marks: 0 };
const state: DemoState = {
  now: instant(Date.UTC(2026, 10, 24, 9)),
  rate: 3_590,
  requestedRate: 3_600,
  totals: createTotals(),
  balanceMinor: 449_069_48n,
  audit: { checks: 33, violations: 0 },
  node: { ...node, retired: 2, confirmed: 2 },
};
const activity = Array.from(
  { length: 40 },
  (_, place): ActivityItem => ({
    at: state.now,
    kind: 'renewed',
    telegramId: BigInt(500_000_000 + place),
    amountMinor: 149_00n,
    sentence: `basic for 149.00 until 2026-12-${String(1 + (place % 28)).padStart(2, '0')}`,
  }),
);
const wide = { columns: 200, rows: 60 };

test.each([20, 40, 80, 120, 300])('the picture fits into a window of %i columns', (columns) => {
  for (const rows of [5, 12, 24, 60]) {
    const lines = renderPicture(state, activity, { columns, rows }).split('\n');
    expect(lines.length).toBeLessThan(rows);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
  }
});

test.each([
  [{}, '476 can connect, all active ones'],
  [
    { users: 475, equal: false, marks: 1 },
    '475 can connect, the database has 476, with 1 pending change',
  ],
  [
    { equal: false, marks: 3 },
    '476 can connect, the database has other users, with 3 pending changes',
  ],
  [{ users: 475, equal: false }, '475 can connect, the database has 476, with NO pending change'],
  [{ users: 475, wanted: 475 }, '475 can connect, all active ones except 1 on other nodes'],
])('the view explains the figures of the node: %j', (differs, sentence) => {
  const text = renderPicture({ ...state, node: { ...state.node, ...differs } }, [], wide);
  expect(text).toContain(`node demo-1: ${sentence}`);
});

test('a rate that is not reached is shown beside the one that was asked for', () => {
  expect(renderPicture(state, [], wide)).toContain('09:00Z   3,590x   Ctrl-C');
  expect(renderPicture({ ...state, rate: 276 }, [], wide)).toContain(
    '276x of 3,600x (machine busy)',
  );
  const lines: string[] = [];
  const view = createPlainView((line) => lines.push(line), false);
  view.show(state, []);
  view.show({ ...state, rate: 276, now: instant(state.now + 3_600_000) }, []);
  expect(lines).toEqual([expect.stringContaining('276x of 3,600x (machine busy)')]);
});

test('a resize clears the window and draws the whole picture at its new size', () => {
  let text = '';
  const stream = Object.assign(new EventEmitter(), {
    ...{ columns: 120, rows: 40, isTTY: true },
    write: (piece: string) => {
      text += piece;
      return true;
    },
  });
  const view = createLiveView(stream as unknown as NodeJS.WriteStream);
  view.announce('Dashboard:\nhttp://127.0.0.1:8080/ui/');
  view.show(state, activity);
  Object.assign(stream, { columns: 60, rows: 15 });
  text = '';
  stream.emit('resize');
  expect(text.startsWith('\u001b[H\u001b[2JDashboard:\nhttp://127.0.0.1:8080/ui/\n')).toBe(true);
  for (const line of renderPicture(state, activity, { columns: 60, rows: 15 }).split('\n')) {
    expect(text).toContain(line);
  }
  view.end();
  text = '';
  stream.emit('resize');
  expect(text).toBe('');
});
