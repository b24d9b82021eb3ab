import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type NoticeKind, noticeKinds, noticeSpecs } from '../../src/outbox/kinds.ts';

// docs/notices.md states the same facts about each kind as src/outbox/kinds.ts.

const document = readFileSync('docs/notices.md', 'utf8');
const rows = document
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()));
const policies = { at_least_once: 'at least once', at_most_once: 'at most once' } as const;

const formatNames = (names: readonly string[]) => names.map((name) => `\`$${name}\``).join(', ');
const findRows = (kind: NoticeKind) => rows.filter(([, name]) => name === `\`${kind}\``);

test.each(noticeKinds)(
  '%s: the document states its recipient, policy, quiet hours and parameters',
  (kind) => {
    const { to, policy, waitsForMorning, params, currentParams } = noticeSpecs[kind];
    const [shownParams, params_, ...more] = findRows(kind);
    expect(shownParams?.slice(2, 5)).toEqual([
      to,
      policies[policy],
      waitsForMorning ? 'quiet' : '',
    ]);
    expect(params_?.[2]).toBe(formatNames(Object.keys(params)));
    expect(params_?.[3]).toBe(currentParams.length === 0 ? '–' : formatNames(currentParams));
    expect(more).toEqual([]);
  },
);

test('no kind is in the document that is not in the program', () => {
  const known = new Set<string>(noticeKinds.map((kind) => `\`${kind}\``));
  expect(rows.filter(([, name = '']) => !known.has(name))).toEqual([]);
});
