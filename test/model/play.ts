import { instant } from '../../src/kernel/instant.ts';
import { type Answered, ask, type Ids, inPlaces } from './ask.ts';
import { type Customer, canonical, day, hour, nobody, textOf } from './books-of.ts';
import type { Command, Surroundings, Which } from './commands.ts';
import { violations } from './invariants.ts';
import { type Asked, afterRun, agrees, explain, type Position, sameBooks, step } from './orders.ts';
import { firstPrices, type PriceFrom } from './prices.ts';
import { type CustomerRows, inWords, readBooks, readSince, type Since } from './read-books.ts';
import type { Act, Sequence, Step } from './sequences.ts';
import {
  addCustomer,
  firstMoment,
  leave,
  movesClock,
  runAutoRenewal,
  type Stage,
  setPrice,
  setUp,
} from './stage.ts';

// Plays a sequence on the program and on the model, and holds one against the other after each
// step: the answers, the books, and what must hold of them in any case.

/** A command as it was asked for, and when. */
interface Keyed {
  readonly command: Command;
  readonly key: string;
  readonly ids: Ids;
  readonly at: number;
}

interface Player {
  readonly telegramId: bigint;
  readonly customerId: number;
  position: Position;
  rows: CustomerRows;
  /** How many commands there were: each has a key of its own. */
  turn: number;
  /** What was asked so far, so that it can be asked again under the same key. */
  readonly asked: Keyed[];
}

interface Play {
  readonly stage: Stage;
  readonly since: Since;
  readonly players: Player[];
  now: number;
  prices: PriceFrom[];
}

/** What the sequences did, so that the test can say that it tried something. */
export interface Tally {
  sequences: number;
  commands: number;
  refused: number;
  runs: number;
  renewals: number;
  groups: number;
}

export async function play(stage: Stage, sequence: Sequence, tally: Tally): Promise<void> {
  await setUp(stage);
  const since = await readSince(stage.books.db);
  const them = [];
  for (let n = 0; n < sequence.customers; n += 1) them.push(await addCustomer(stage));
  const ids = them.map(({ customerId }) => customerId);
  const rows = await readBooks(stage.books.db, ids, since);
  const players = them.map((one, n) => ({
    ...one,
    position: { customer: nobody(), answers: {} },
    rows: rows[n] as CustomerRows,
    turn: 0,
    asked: [],
  }));
  const current: Play = { stage, since, players, now: firstMoment, prices: [...firstPrices] };
  tally.sequences += 1;
  try {
    for (const [n, one] of sequence.steps.entries()) {
      await playStep(current, one, tally).catch((error: unknown) => {
        throw new Error(`step ${n + 1}: ${(error as Error).message}`, { cause: error });
      });
    }
  } finally {
    await leave(stage, ids);
  }
}

async function playStep(current: Play, one: Step, tally: Tally): Promise<void> {
  const { books } = current.stage;
  switch (one.step) {
    case 'clock':
      current.now += one.byMs;
      return movesClock(books, instant(current.now));
    case 'clock-near': {
      const { subs } = playerOf(current, one.customer).rows;
      const sub = subs[one.sub % Math.max(1, subs.length)];
      const to = (sub?.expiresAt ?? 0) + one.byMs;
      // Clocks go back by mistake, not by days.
      if (to < current.now - 2 * hour) return;
      current.now = to;
      return movesClock(books, instant(to));
    }
    case 'price': {
      const price = { ...one, from: current.now + one.inMs };
      current.prices = [
        ...current.prices.filter(
          (other) =>
            other.plan !== price.plan || other.days !== price.days || other.from !== price.from,
        ),
        price,
      ];
      return setPrice(books, price);
    }
    case 'together':
      return playTogether(current, one.acts, tally);
  }
}

function playerOf(current: Play, customer: number): Player {
  return current.players[customer % current.players.length] as Player;
}

/** A command with places that are there, under a key of its own; or an earlier one once more. */
function resolve(player: Player, act: Exclude<Act, { act: 'run' }>, now: number): Keyed {
  const { rows } = player;
  // A key is kept for 30 days, by clocks that may go back by hours; of asking again later than
  // that nothing is said here.
  const asked = player.asked.filter(({ at }) => now - at < 29 * day);
  if (act.act === 'again') {
    const earlier = asked[act.nth % Math.max(1, asked.length)];
    return earlier ?? resolve(player, { ...act, act: 'command', command: { do: 'expire' } }, now);
  }
  const { command } = act;
  const ids: Ids = {
    telegramId: player.telegramId,
    customerId: player.customerId,
    subs: rows.subs.map(({ id }) => id),
    periods: rows.periods.map(({ id }) => id),
  };
  const there = (which: Which): Which => {
    if (typeof which !== 'number') return which;
    return ids.subs.length === 0 ? 'meant' : which % ids.subs.length;
  };
  player.turn += 1;
  const key = `${player.telegramId}-${player.turn}`;
  const placed: Command =
    command.do === 'refund'
      ? { ...command, period: ids.periods.length === 0 ? -1 : command.period % ids.periods.length }
      : 'sub' in command
        ? { ...command, sub: there(command.sub) }
        : command;
  // What is only set-up here has no key.
  const keyed = { command: placed, key, ids, at: now };
  if (placed.do !== 'expire') player.asked.push(keyed);
  return keyed;
}

interface Done {
  readonly player: Player;
  readonly command: Command;
  readonly key: string;
  readonly answered: Answered;
}

async function playTogether(current: Play, acts: readonly Act[], tally: Tally): Promise<void> {
  const { stage, players, now } = current;
  const done: Done[] = [];
  let changed = 0n;
  await Promise.all(
    acts.map(async (act) => {
      if (act.act === 'run') {
        const row = await runAutoRenewal(stage, act.batchMax);
        changed += row.changed;
        return;
      }
      const player = playerOf(current, act.customer);
      const { command, key, ids } = resolve(player, act, now);
      const answered = await ask(stage.books.db, ids, command, key, now);
      done.push({ player, command, key, answered });
    }),
  );
  const runs = acts.length - done.length;
  const ids = players.map(({ customerId }) => customerId);
  const all = await readBooks(stage.books.db, ids, current.since);
  const renewals = players.map((player, n) =>
    judge(current, player, all[n] as CustomerRows, done, runs),
  );
  const renewed = renewals.reduce((sum, count) => sum + count, 0);
  if (changed !== BigInt(renewed)) {
    throw new Error(`the runs say that they renewed ${changed}; the books say ${renewed}`);
  }
  tally.commands += done.length;
  tally.refused += done.filter(({ answered }) => 'refused' in answered).length;
  tally.runs += runs;
  tally.renewals += renewed;
  if (acts.length > 1) tally.groups += 1;
}

const countRenewals = (rows: CustomerRows): number =>
  rows.ledger.filter(({ kind }) => kind === 'renewal').length;

/** Holds one customer's books against the model. Gives how many renewals there were. */
function judge(
  current: Play,
  player: Player,
  rows: CustomerRows,
  done: readonly Done[],
  runs: number,
): number {
  const found = violations(rows, player.rows);
  if (found.length > 0) throw new Error(found.join('; '));
  const asked = done
    .filter((one) => one.player === player)
    .map(({ command, key, answered }) => ({ command, key, told: inPlaces(answered, rows) }));
  const actual = inWords(rows);
  const around: Surroundings = current;
  const renewed = countRenewals(rows) - countRenewals(player.rows);
  // On its own: exactly. Other customers' commands, and another run, hold somebody up at most.
  const isAlone = done.length + runs === 1;
  player.position = isAlone
    ? judgeAlone(player.position, asked[0], runs, actual, around)
    : judgeOrders(player.position, asked, runs, actual, around);
  player.rows = rows;
  return renewed;
}

function judgeAlone(
  before: Position,
  asked: Asked | undefined,
  runs: number,
  actual: Customer,
  around: Surroundings,
): Position {
  if (asked === undefined) {
    const expected = runs === 0 ? [before] : afterRun(before, around);
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
