import type { Db } from '../../src/db/connect.ts';
import { inPlaces } from './ask.ts';
import { type Customer, canonical, textOf } from './books-of.ts';
import type { Surroundings } from './commands.ts';
import { violations } from './invariants.ts';
import { type Asked, afterRun, agrees, explain, type Position, sameBooks, step } from './orders.ts';
import type { Play } from './play.ts';
import { type CustomerRows, inWords, readBooks, readPass } from './read-books.ts';
import type { Done, Player } from './resolve.ts';

// Holds the database against the model: the answers, the rows, and what must hold of them in any case.

/** What the database has of a sequence. */
export interface Facts {
  readonly rows: readonly CustomerRows[];
  /** When the last run of auto-renewal went through everything. */
  readonly passedAt: number | null;
}

export async function readFacts(
  { stage, players, since }: Play,
  db: Db = stage.books.db,
): Promise<Facts> {
  const ids = players.map(({ customerId }) => customerId);
  return { rows: await readBooks(db, ids, since), passedAt: await readPass(db) };
}

/** @throws Error if the database has no run of the time when the worker ran */
export function judgePass({ passedAt }: Facts, expected: Pick<Play, 'passedAt'>): void {
  if (expected.passedAt === undefined || expected.passedAt === passedAt) return;
  throw new Error(`the last run was at ${expected.passedAt}; the database says ${passedAt}`);
}

/** Holds a whole database against the model, without anything that was just done. */
export function judgeAll(facts: Facts, current: Play): void {
  for (const [n, { position }] of current.players.entries()) {
    const actual = inWords(facts.rows[n] as CustomerRows);
    if (!sameBooks(position.customer, actual))
      throw new Error(difference(position.customer, actual));
  }
  judgePass(facts, current);
}

const countRenewals = (rows: CustomerRows): number =>
  rows.ledger.filter(({ kind }) => kind === 'renewal').length;

interface Group {
  readonly done: readonly Done[];
  readonly runs: number;
  readonly acts: number;
  /** Of the runs: the smallest batch. */
  readonly batchMax: number;
}

/** Holds one customer's books against the model. Gives how many renewals there were. */
export function judge(
  player: Player,
  rows: CustomerRows,
  group: Group,
  around: Surroundings,
): number {
  const { done, runs, acts } = group;
  const found = violations(rows, player.rows);
  if (found.length > 0) throw new Error(found.join('; '));
  const asked = done
    .filter((one) => one.player === player)
    .map(({ command, key, answered }) => ({ command, key, told: inPlaces(answered, rows) }));
  const actual = inWords(rows);
  const renewed = countRenewals(rows) - countRenewals(player.rows);
  // On its own: exactly. Other customers' commands, and another run, hold somebody up at most.
  player.position =
    acts === 1
      ? judgeAlone(player.position, asked[0], group, actual, around)
      : judgeOrders(player.position, asked, runs, actual, around);
  player.rows = rows;
  return renewed;
}

function judgeAlone(
  before: Position,
  asked: Asked | undefined,
  { runs, batchMax }: Group,
  actual: Customer,
  around: Surroundings,
): Position {
  if (asked === undefined) {
    const expected = runs === 0 ? [before] : afterRun(before, around, batchMax);
    const fitting = expected.find((one) => sameBooks(one.customer, actual));
    if (fitting !== undefined) return fitting;
    throw new Error(difference((expected[0] as Position).customer, actual));
  }
  const [after, told] = step(before, asked, around);
  if (!agrees(told, asked.told)) {
    throw new Error(
      `${textOf(asked.command)}\n  the model says ${textOf(told)}\n  the program    ${textOf(asked.told)}`,
    );
  }
  if (sameBooks(after.customer, actual)) return after;
  throw new Error(`${textOf(asked.command)}: ${difference(after.customer, actual)}`);
}

function judgeOrders(
  before: Position,
  asked: readonly Asked[],
  runs: number,
  actual: Customer,
  around: Surroundings,
): Position {
  const after = explain(before, asked, runs, actual, around);
  if (after !== undefined) return after;
  const said = asked.map(({ command, told }) => `\n  ${textOf(command)} → ${textOf(told)}`);
  throw new Error(
    `no order explains what came of these at once, with ${runs} runs:${said.join('')}\n  ${difference(before.customer, actual, 'before', 'after')}`,
  );
}

/** Where two customers' books differ, a line each. */
function difference(
  one: Customer,
  other: Customer,
  oneName = 'the model',
  otherName = 'the program',
): string {
  const [a, b] = [canonical(one), canonical(other)];
  const lines: string[] = [];
  for (const name of Object.keys(a) as (keyof Customer)[]) {
    const [left, right] = [a[name], b[name]];
    if (!Array.isArray(left) || !Array.isArray(right)) {
      if (textOf(left) !== textOf(right)) lines.push(`${name}: ${textOf(left)} | ${textOf(right)}`);
      continue;
    }
    for (let n = 0; n < Math.max(left.length, right.length); n += 1) {
      const [x, y] = [textOf(left[n] ?? null), textOf(right[n] ?? null)];
      if (x !== y) lines.push(`${name} ${n}:\n    ${x}\n    ${y}`);
    }
  }
  return `${oneName} | ${otherName}\n  ${lines.join('\n  ')}`;
}
