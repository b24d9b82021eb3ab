import { describe, expect, test } from 'vitest';
import { Fault, mustHold, refused, UsageFault, unreachable } from './faults.ts';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('P7: a fault has its kind, a code, a sentence and its cause', () => {
  const cause = new Error('socket closed');
  const fault = new Fault('transient', 'connection_lost', 'the database went away', cause);
  expect(fault).toBeInstanceOf(Error);
  expect(fault).toMatchObject({
    name: 'Fault',
    kind: 'transient',
    code: 'connection_lost',
    message: 'the database went away',
    cause,
  });
});

test('a fault without a cause has no member `cause`', () => {
  expect('cause' in new Fault('bug', 'a', 'b')).toBe(false);
});

test('a refusal is permanent, and is not a fault of use', () => {
  const fault = refused('short_balance', 'it costs more');
  expect(fault).toMatchObject({ kind: 'permanent', code: 'short_balance' });
  expect(fault).not.toBeInstanceOf(UsageFault);
});

test('a fault of use has a separate name', () => {
  const fault = new UsageFault('bad_time', 'x is not a time');
  expect(fault).toBeInstanceOf(Fault);
  expect(fault).toMatchObject({ name: 'UsageFault', kind: 'permanent', code: 'bad_time' });
});

describe('`mustHold`', () => {
  test('does not throw if the condition holds', () => {
    expect(() => mustHold(true, 'never')).not.toThrow();
  });

  test('throws a bug if the condition does not hold', () => {
    expect(thrownBy(() => mustHold(false, '2 rows were to change, 1 did'))).toMatchObject({
      kind: 'bug',
      code: 'assertion',
      message: '2 rows were to change, 1 did',
    });
  });
});

test.for<[string, unknown, string]>([
  ['a word', 'sideways', '"sideways"'],
  ['an object', { do: 'fly' }, '{"do":"fly"}'],
  ['money, which JSON has no number for', { do: 'fly', minor: 5n }, '{"do":"fly","minor":"5"}'],
])('a missing case is a bug that names it: %s', ([, value, text]) => {
  expect(thrownBy(() => unreachable(value as never))).toMatchObject({
    kind: 'bug',
    code: 'unreachable',
    message: `no such case: ${text}`,
  });
});
