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

test('P7: a fault carries its kind, a code, a sentence and its cause', () => {
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

test('a fault without a cause has none, not an undefined one', () => {
  expect('cause' in new Fault('bug', 'a', 'b')).toBe(false);
});

test('what is refused is permanent, and no misuse', () => {
  const fault = refused('short_balance', 'it costs more');
  expect(fault).toMatchObject({ kind: 'permanent', code: 'short_balance' });
  expect(fault).not.toBeInstanceOf(UsageFault);
});

test('a misuse is a fault of its own name', () => {
  const fault = new UsageFault('bad_time', 'x is not a time');
  expect(fault).toBeInstanceOf(Fault);
  expect(fault).toMatchObject({ name: 'UsageFault', kind: 'permanent', code: 'bad_time' });
});

describe('what must hold', () => {
  test('says nothing when it does', () => {
    expect(() => mustHold(true, 'never')).not.toThrow();
  });

  test('is a bug of ours when it does not', () => {
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
])('a case that is missing is a bug that names it: %s', ([, value, text]) => {
  expect(thrownBy(() => unreachable(value as never))).toMatchObject({
    kind: 'bug',
    code: 'unreachable',
    message: `no such case: ${text}`,
  });
});
