import { expect, test } from 'vitest';
import { Fault, type FaultKind, UsageFault } from '../kernel/faults.ts';
import { toFault } from './faults.ts';

function withCode(code: string, more: object = {}): Error {
  return Object.assign(new Error(`the sentence of ${code}`), { code, ...more });
}

// Errors of PostgreSQL, of the system and of the driver, and the kind of fault of each.
const codes: readonly [code: string, kind: FaultKind, what: string][] = [
  ['08006', 'transient', 'connection failure'],
  ['08003', 'transient', 'connection does not exist'],
  ['40001', 'transient', 'serialization failure'],
  ['40P01', 'transient', 'deadlock'],
  ['53100', 'transient', 'disk full'],
  ['53300', 'transient', 'too many connections'],
  ['55P03', 'transient', 'lock timeout'],
  ['55006', 'transient', 'object in use'],
  ['57014', 'transient', 'statement timeout'],
  ['57P01', 'transient', 'the server shuts down'],
  ['57P03', 'transient', 'the server starts up'],
  ['58030', 'transient', 'input or output error of the server'],
  ['25P03', 'transient', 'idle in a transaction for too long'],
  ['25006', 'transient', 'read only: a standby'],
  ['22003', 'permanent', 'number out of range'],
  ['22P02', 'permanent', 'not a number'],
  ['23505', 'permanent', 'unique violation'],
  ['23514', 'permanent', 'check violation'],
  ['23P01', 'permanent', 'overlap'],
  ['23001', 'permanent', 'append-only'],
  ['P0001', 'permanent', 'raised by a trigger'],
  ['42P01', 'bug', 'no such table'],
  ['42601', 'bug', 'syntax error'],
  ['25001', 'bug', 'an unexpected state of the transaction'],
  ['55000', 'bug', 'an unexpected state of an object'],
  ['XX000', 'bug', 'internal error of the server'],
];

test.for(codes)('R15 P7: SQLSTATE %s is %s: %s', ([code, kind]) => {
  const cause = withCode(code);
  const fault = toFault(cause);
  expect(fault).toMatchObject({ kind, code: `pg_${code}`, message: cause.message, cause });
});

test.for([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
])('R15 P9: the error %s of the system is transient', (code) => {
  expect(toFault(withCode(code))).toMatchObject({ kind: 'transient', code: code.toLowerCase() });
});

test.for([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'Client has encountered a connection error and is not queryable',
  'timeout exceeded when trying to connect',
  'Client was closed and is not queryable',
])('R15 P9: the error "%s" of the driver is transient', (text) => {
  expect(toFault(new Error(text))).toMatchObject({ kind: 'transient', code: 'connection_lost' });
});

test('a text that only contains an error of the driver is not a lost connection', () => {
  const fault = toFault(new Error('customer 7: Connection terminated'));
  expect(fault).toMatchObject({ kind: 'bug', code: 'unexpected' });
});

test('the code of a violated constraint is its name', () => {
  const cause = withCode('23514', { constraint: 'customer_balance_minor_check' });
  expect(toFault(cause)).toMatchObject({
    kind: 'permanent',
    code: 'customer_balance_minor_check',
  });
});

test('`toFault` returns a fault unchanged', () => {
  const known = new UsageFault('bad_time', 'not a time');
  expect(toFault(known)).toBe(known);
  const transient = new Fault('transient', 'connection_lost', 'gone');
  expect(toFault(transient)).toBe(transient);
});

test('an unexpected error is a bug with the thrown value as its cause', () => {
  const cause = new TypeError('x is not a function');
  expect(toFault(cause)).toMatchObject({ kind: 'bug', code: 'unexpected', cause });
  expect(toFault('a word')).toMatchObject({ kind: 'bug', code: 'thrown', message: 'a word' });
  expect(toFault(undefined)).toMatchObject({ kind: 'bug', code: 'thrown' });
});

test('P7: a refused connection to all addresses of a host has a sentence', () => {
  const refusals = [withCode('ECONNREFUSED'), withCode('ECONNREFUSED')];
  const cause = Object.assign(new AggregateError(refusals), { code: 'ECONNREFUSED' });
  const fault = toFault(cause);
  expect(fault).toMatchObject({ kind: 'transient', code: 'econnrefused' });
  expect(fault.message).toBe('the sentence of ECONNREFUSED');
});
