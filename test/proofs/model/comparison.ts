import type { Db } from '../../../src/db/connect.ts';
import { type Customer, toCanonical, toText } from '../../support/customer-model.ts';
import {
  type CustomerRows,
  readCustomerRows,
  readLastPass,
  toModelCustomer,
} from '../../support/customer-rows.ts';
import { findRowViolations } from '../../support/row-invariants.ts';
import type { CommandContext } from './commands.ts';
import {
  type AskedCommand,
  applyAsked,
  findOrder,
  isSameAnswer,
  isSameCustomer,
  listPositionsAfterRun,
  type ModelPosition,
} from './interleavings.ts';
import { toPlaces } from './program.ts';
import type { DoneCommand, Participant } from './resolved-commands.ts';
import type { SequenceRun } from './sequence-run.ts';

// Comparison of the database with the model: answers, rows, and invariants.

/** The facts of a sequence in the database. */
export interface DatabaseFacts {
  readonly rows: readonly CustomerRows[];
  /** The time of the last complete run of auto-renewal. */
  readonly passedAt: number | null;
}

export async function readFacts(
  { stage, participants, since }: SequenceRun,
  db: Db = stage.database.db,
): Promise<DatabaseFacts> {
  const ids = participants.map(({ customerId }) => customerId);
  return { rows: await readCustomerRows(db, ids, since), passedAt: await readLastPass(db) };
}

/** @throws Error if the database has no run at the time when the worker ran */
export function requireSamePass(
  { passedAt }: DatabaseFacts,
  expected: Pick<SequenceRun, 'passedAt'>,
): void {
  if (expected.passedAt === undefined || expected.passedAt === passedAt) return;
  throw new Error(`the last run was at ${expected.passedAt}; the database has ${passedAt}`);
}

/** Compares a whole database with the model, without a preceding command. */
export function requireEqual(facts: DatabaseFacts, current: SequenceRun): void {
  for (const [n, { position }] of current.participants.entries()) {
    const actual = toModelCustomer(facts.rows[n] as CustomerRows);
    if (!isSameCustomer(position.customer, actual))
      throw new Error(describeDifference(position.customer, actual));
  }
  requireSamePass(facts, current);
}

const countRenewals = (rows: CustomerRows): number =>
  rows.ledger.filter(({ kind }) => kind === 'renewal').length;

interface ActGroup {
  readonly done: readonly DoneCommand[];
  readonly runs: number;
  readonly acts: number;
  /** The smallest batch of the runs. */
  readonly batchMax: number;
}

/** Compares the state of one customer with the model. @returns the number of renewals */
export function requireExplained(
  participant: Participant,
  rows: CustomerRows,
  group: ActGroup,
  context: CommandContext,
): number {
  const { done, runs, acts } = group;
  const violated = findRowViolations(rows, participant.rows);
  if (violated.length > 0) throw new Error(violated.join('; '));
  const asked = done
    .filter((one) => one.participant === participant)
    .map(({ command, key, answer }) => ({ command, key, answer: toPlaces(answer, rows) }));
  const actual = toModelCustomer(rows);
  const renewed = countRenewals(rows) - countRenewals(participant.rows);
  // A run without concurrency has exactly one result. Commands of other customers and other runs
  // can only delay a subscription.
  participant.position =
    acts === 1
      ? requireExpectedResult(participant.position, asked[0], group, actual, context)
      : requireOrder(participant.position, asked, runs, actual, context);
  participant.rows = rows;
  return renewed;
}

function requireExpectedResult(
  before: ModelPosition,
  asked: AskedCommand | undefined,
  { runs, batchMax }: ActGroup,
  actual: Customer,
  context: CommandContext,
): ModelPosition {
  if (asked === undefined) {
    const expected = runs === 0 ? [before] : listPositionsAfterRun(before, context, batchMax);
    const fitting = expected.find((one) => isSameCustomer(one.customer, actual));
    if (fitting !== undefined) return fitting;
    throw new Error(describeDifference((expected[0] as ModelPosition).customer, actual));
  }
  const [after, answer] = applyAsked(before, asked, context);
  if (!isSameAnswer(answer, asked.answer)) {
    throw new Error(
      `${toText(asked.command)}\n  model:   ${toText(answer)}\n  program: ${toText(asked.answer)}`,
    );
  }
  if (isSameCustomer(after.customer, actual)) return after;
  throw new Error(`${toText(asked.command)}: ${describeDifference(after.customer, actual)}`);
}

function requireOrder(
  before: ModelPosition,
  asked: readonly AskedCommand[],
  runs: number,
  actual: Customer,
  context: CommandContext,
): ModelPosition {
  const after = findOrder(before, asked, runs, actual, context);
  if (after !== undefined) return after;
  const answers = asked.map(({ command, answer }) => `\n  ${toText(command)} → ${toText(answer)}`);
  throw new Error(
    `no order of these commands explains the result, with ${runs} runs:${answers.join('')}\n  ${describeDifference(before.customer, actual, 'before', 'after')}`,
  );
}

/** The differences of two states, one per line. */
function describeDifference(
  one: Customer,
  other: Customer,
  oneName = 'the model',
  otherName = 'the program',
): string {
  const [a, b] = [toCanonical(one), toCanonical(other)];
  const lines: string[] = [];
  for (const name of Object.keys(a) as (keyof Customer)[]) {
    const [left, right] = [a[name], b[name]];
    if (!Array.isArray(left) || !Array.isArray(right)) {
      if (toText(left) !== toText(right)) lines.push(`${name}: ${toText(left)} | ${toText(right)}`);
      continue;
    }
    for (let n = 0; n < Math.max(left.length, right.length); n += 1) {
      const [x, y] = [toText(left[n] ?? null), toText(right[n] ?? null)];
      if (x !== y) lines.push(`${name} ${n}:\n    ${x}\n    ${y}`);
    }
  }
  return `${oneName} | ${otherName}\n  ${lines.join('\n  ')}`;
}
