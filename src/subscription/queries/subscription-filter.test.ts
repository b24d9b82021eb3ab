import { expect, test } from 'vitest';
import { formatCursor, parseCursor } from './list-cursor.ts';
import { filterNames, parseFilter, parseWhere } from './subscription-filter.ts';

test.each([
  ['state=active, node_group=nl', { state: 'active', node_group: 'nl' }],
  ['  short=yes  ', { short: 'yes' }],
  ['ends_before=2026-12-08,kind=paid', { kind: 'paid', ends_before: '2026-12-08' }],
  ['', {}],
])('%j is read as pairs', (text, texts) => {
  expect(parseWhere(text).texts).toEqual(texts);
});

test('a date is its first moment in UTC, and a time has its offset', () => {
  const { values } = parseWhere('ends_after=2026-12-08 ends_before=2026-12-09T03:00:00+03:00');
  expect(values).toEqual({
    ends_after: Date.UTC(2026, 11, 8),
    ends_before: Date.UTC(2026, 11, 9),
  });
});

test.each([
  [
    'colour=red',
    'unknown_filter',
    `"colour" is not a filter; available: ${filterNames.join(', ')}`,
  ],
  ['__proto__=x', 'unknown_filter', 'is not a filter'],
  ['state', 'bad_filter', '"state" is not a condition; expected a pair like state=active'],
  ['=active', 'bad_filter', 'is not a condition'],
  ['state=gone', 'bad_filter', 'expected active, expired or revoked'],
  ['short=true', 'bad_filter', 'expected yes or no'],
  ['ends_before=soon', 'bad_filter', 'expected a date like 2026-12-08'],
  ['ends_before=2026-02-30', 'bad_filter', 'expected a date like 2026-12-08'],
  ['kind=paid kind=trial', 'bad_filter', '"kind" is given twice'],
  ["plan=a'b", 'bad_filter', 'expected the key of a plan'],
])('%j is refused as %s', (text, code, sentence) => {
  expect(() => parseWhere(text)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(sentence) }),
  );
});

const scope = { list: 'customers', sort: 'id', filter: parseFilter({ state: 'active' }) } as const;

test('a cursor returns its position to its own list', () => {
  const position = { at: '2026-12-08T00:00:00.000Z', id: '17' };
  expect(parseCursor(scope, formatCursor(scope, position))).toEqual(position);
});

test.each([
  ['another list', { ...scope, list: 'subscriptions' } as const],
  ['another order', { ...scope, sort: '-id' }],
  ['another filter', { ...scope, filter: parseFilter({ state: 'expired' }) }],
])('a cursor is refused by %s', (_, other) => {
  const cursor = formatCursor(scope, { at: null, id: '17' });
  expect(() => parseCursor(other, cursor)).toThrow(
    expect.objectContaining({ code: 'other_list', kind: 'permanent' }),
  );
});

test('a cursor with a time that does not exist is refused', () => {
  const cursor = formatCursor(scope, { at: '2026-02-30T00:00:00.000Z', id: '17' });
  expect(() => parseCursor(scope, cursor)).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
});

test.each(['', 'x', Buffer.from('["customers id x",null,"a"]').toString('base64url')])(
  '%j is not a cursor',
  (text) => {
    expect(() => parseCursor(scope, text)).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
  },
);
