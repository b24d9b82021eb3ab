import { instant } from '../../src/kernel/instant.ts';
import { ask, askMove } from './ask.ts';
import { hour, minute, nobody } from './books-of.ts';
import { judge, judgePass, readFacts } from './judge.ts';
import { firstPrices, type PriceFrom } from './prices.ts';
import { type CustomerRows, readBooks, readSince, type Since } from './read-books.ts';
import { type Done, type Player, paymentOf, resolve } from './resolve.ts';
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

export interface Play {
  readonly stage: Stage;
  readonly since: Since;
  readonly players: Player[];
  now: number;
  /** The latest time that the program saw. */
  latest: number;
  prices: PriceFrom[];
  /** The time of the last run of auto-renewal; undefined: unknown after several at once. */
  passedAt?: number | undefined;
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

export const emptyTally = (): Tally => ({
  sequences: 0,
  commands: 0,
  refused: 0,
  runs: 0,
  renewals: 0,
  groups: 0,
});

/** New customers at the first moment. */
export async function begin(stage: Stage, customers: number): Promise<Play> {
  await setUp(stage);
  const since = await readSince(stage.books.db);
  const them = [];
  for (let n = 0; n < customers; n += 1) them.push(await addCustomer(stage));
  const ids = them.map(({ customerId }) => customerId);
  const rows = await readBooks(stage.books.db, ids, since);
  const players = them.map((one, n) => ({
    ...one,
    position: { customer: nobody(), answers: {} },
    rows: rows[n] as CustomerRows,
    turn: 0,
    asked: [],
  }));
  return { stage, since, players, now: firstMoment, latest: firstMoment, prices: [...firstPrices] };
}

export async function play(stage: Stage, sequence: Sequence, tally: Tally): Promise<void> {
  const current = await begin(stage, sequence.customers);
  tally.sequences += 1;
  try {
    for (const [n, one] of sequence.steps.entries()) {
      await playStep(current, one, tally).catch((error: unknown) => {
        throw new Error(`step ${n + 1}: ${(error as Error).message}`, { cause: error });
      });
    }
  } finally {
    await leave(
      stage,
      current.players.map(({ customerId }) => customerId),
    );
  }
}

export async function playStep(current: Play, one: Step, tally: Tally): Promise<void> {
  const { books } = current.stage;
  switch (one.step) {
    case 'clock':
      return goTo(current, current.now + one.byMs);
    case 'clock-slip':
      // A step back of a minute from the latest time is repaired: that has tests of its own.
      current.now = Math.max(current.now + one.byMs, current.latest - minute + 1);
      current.latest = Math.max(current.latest, current.now);
      return books.setClock(instant(current.now));
    case 'clock-near': {
      const { subs } = playerOf(current, one.customer).rows;
      const sub = subs[one.sub % Math.max(1, subs.length)];
      const to = (sub?.expiresAt ?? 0) + one.byMs;
      // Clocks go back by mistake, not by days.
      if (to < current.now - 2 * hour) return;
      return goTo(current, to);
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

function goTo(current: Play, to: number): Promise<void> {
  current.now = to;
  current.latest = to;
  return movesClock(current.stage.books, instant(to));
}

function playerOf(current: Play, customer: number): Player {
  return current.players[customer % current.players.length] as Player;
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
      if (act.act === 'move') {
        done.push(...(await movePaymentOf(current, player, act)));
        return;
      }
      const { command, key, ids } = resolve(player, act, now);
      const answered = await ask(stage.books.db, ids, command, key, now);
      done.push({ player, command, key, answered });
    }),
  );
  const batches = acts.flatMap((act) => (act.act === 'run' ? [act.batchMax] : []));
  const runs = batches.length;
  const group = { done, runs, acts: acts.length, batchMax: Math.min(...batches) };
  if (runs > 0) current.passedAt = acts.length === 1 ? now : undefined;
  const facts = await readFacts(current);
  const renewals = players.map((player, n) =>
    judge(player, facts.rows[n] as CustomerRows, group, current),
  );
  const renewed = renewals.reduce((sum, count) => sum + count, 0);
  if (changed !== BigInt(renewed)) {
    throw new Error(`the runs say that they renewed ${changed}; the books say ${renewed}`);
  }
  judgePass(facts, current);
  tally.commands += done.length;
  tally.refused += done.filter(({ answered }) => 'refused' in answered).length;
  tally.runs += runs;
  tally.renewals += renewed;
  if (acts.length > 1) tally.groups += 1;
}

/** A payment moves to the next player: a command for each of the two customers. */
async function movePaymentOf(
  { stage, players }: Play,
  from: Player,
  { nth, withClaim }: Extract<Act, { act: 'move' }>,
): Promise<Done[]> {
  const to = players[(players.indexOf(from) + 1) % players.length] as Player;
  const payment = paymentOf(from, nth);
  if (to === from || payment === undefined) return [];
  from.turn += 1;
  const key = `${from.telegramId}-${from.turn}`;
  const both = [from.telegramId, to.telegramId] as const;
  const [out, into] = await askMove(stage.books.db, both, { payment, withClaim }, key);
  const command = { do: 'move-out', payment, withClaim } as const;
  const moved: Done[] = [{ player: from, command, key, answered: out }];
  if ('refused' in into) return moved;
  const amount = Number(String('ok' in out ? out.ok.amount : 0).replace('.', ''));
  return [
    ...moved,
    { player: to, command: { do: 'move-in', payment, amount }, key, answered: into },
  ];
}
