import { instant } from '../../../src/kernel/instant.ts';
import { createModelCustomer, hour, minute } from '../../support/customer-model.ts';
import {
  type CustomerRows,
  type FirstIds,
  readCustomerRows,
  readFirstIds,
} from '../../support/customer-rows.ts';
import { readFacts, requireExplained, requireSamePass } from './comparison.ts';
import { firstPrices, type PriceFrom } from './prices.ts';
import { applyToProgram, movePaymentInProgram } from './program.ts';
import {
  type DoneCommand,
  findPayment,
  type Participant,
  resolveCommand,
} from './resolved-commands.ts';
import type { Act, Sequence, Step } from './sequences.ts';
import {
  addCustomer,
  removeFromDueIndex,
  resetStage,
  runAutoRenewal,
  type Stage,
  setPrice,
  setStageClock,
  startTime,
} from './stage.ts';

// Runs a sequence on the program and on the model, and compares both after each step: answers,
// state, and invariants.

export interface SequenceRun {
  readonly stage: Stage;
  readonly since: FirstIds;
  readonly participants: Participant[];
  now: number;
  /** The latest time that the program read. */
  latest: number;
  prices: PriceFrom[];
  /** The time of the last run of auto-renewal. Undefined after several runs at once. */
  passedAt?: number | undefined;
}

/** The number of actions of the sequences, so that the test shows what it tried. */
export interface SequenceCounts {
  sequences: number;
  commands: number;
  refused: number;
  runs: number;
  renewals: number;
  groups: number;
}

export const createCounts = (): SequenceCounts => ({
  sequences: 0,
  commands: 0,
  refused: 0,
  runs: 0,
  renewals: 0,
  groups: 0,
});

/** Creates customers at the initial time. */
export async function startSequence(stage: Stage, customers: number): Promise<SequenceRun> {
  await resetStage(stage);
  const since = await readFirstIds(stage.database.db);
  const created = [];
  for (let n = 0; n < customers; n += 1) created.push(await addCustomer(stage));
  const ids = created.map(({ customerId }) => customerId);
  const rows = await readCustomerRows(stage.database.db, ids, since);
  const participants = created.map((one, n) => ({
    ...one,
    position: { customer: createModelCustomer(), answers: {} },
    rows: rows[n] as CustomerRows,
    commandCount: 0,
    askedCommands: [],
  }));
  return {
    stage,
    since,
    participants,
    now: startTime,
    latest: startTime,
    prices: [...firstPrices],
  };
}

export async function runSequence(
  stage: Stage,
  sequence: Sequence,
  counts: SequenceCounts,
): Promise<void> {
  const current = await startSequence(stage, sequence.customers);
  counts.sequences += 1;
  try {
    for (const [n, one] of sequence.steps.entries()) {
      await runStep(current, one, counts).catch((error: unknown) => {
        throw new Error(`step ${n + 1}: ${(error as Error).message}`, { cause: error });
      });
    }
  } finally {
    await removeFromDueIndex(
      stage,
      current.participants.map(({ customerId }) => customerId),
    );
  }
}

export async function runStep(
  current: SequenceRun,
  one: Step,
  counts: SequenceCounts,
): Promise<void> {
  const { database } = current.stage;
  switch (one.step) {
    case 'clock':
      return setRunClock(current, current.now + one.byMs);
    case 'clock-slip':
      // The program repairs a step back of a minute from the latest time, which has separate tests.
      // Clocks go back by mistake, not by days.
      current.now = Math.max(current.now + one.byMs, current.latest - minute + 1);
      current.latest = Math.max(current.latest, current.now);
      return database.setClock(instant(current.now));
    case 'clock-near-end': {
      const { subs } = findParticipant(current, one.customer).rows;
      const sub = subs[one.sub % Math.max(1, subs.length)];
      const to = (sub?.expiresAt ?? 0) + one.byMs;
      // Clocks go back by mistake, not by days.
      if (to < current.now - 2 * hour) return;
      return setRunClock(current, to);
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
      return setPrice(database, price);
    }
    case 'group':
      return runTogether(current, one.acts, counts);
  }
}

function setRunClock(current: SequenceRun, to: number): Promise<void> {
  current.now = to;
  current.latest = to;
  return setStageClock(current.stage.database, instant(to));
}

function findParticipant(current: SequenceRun, customer: number): Participant {
  return current.participants[customer % current.participants.length] as Participant;
}

async function runTogether(
  current: SequenceRun,
  acts: readonly Act[],
  counts: SequenceCounts,
): Promise<void> {
  const { stage, participants, now } = current;
  const done: DoneCommand[] = [];
  let changed = 0n;
  await Promise.all(
    acts.map(async (act) => {
      if (act.act === 'run') {
        const row = await runAutoRenewal(stage, act.batchMax);
        changed += row.changed;
        return;
      }
      const participant = findParticipant(current, act.customer);
      if (act.act === 'move') {
        done.push(...(await moveToNextParticipant(current, participant, act)));
        return;
      }
      const { command, key, ids } = resolveCommand(participant, act, now);
      const answer = await applyToProgram(stage.database.db, ids, command, key, now);
      done.push({ participant, command, key, answer });
    }),
  );
  const batches = acts.flatMap((act) => (act.act === 'run' ? [act.batchMax] : []));
  const runs = batches.length;
  const group = { done, runs, acts: acts.length, batchMax: Math.min(...batches) };
  if (runs > 0) current.passedAt = acts.length === 1 ? now : undefined;
  const facts = await readFacts(current);
  const renewals = participants.map((participant, n) =>
    requireExplained(participant, facts.rows[n] as CustomerRows, group, current),
  );
  const renewed = renewals.reduce((sum, count) => sum + count, 0);
  if (changed !== BigInt(renewed)) {
    throw new Error(`the run records count ${changed} renewals; the database has ${renewed}`);
  }
  requireSamePass(facts, current);
  counts.commands += done.length;
  counts.refused += done.filter(({ answer }) => 'refused' in answer).length;
  counts.runs += runs;
  counts.renewals += renewed;
  if (acts.length > 1) counts.groups += 1;
}

/** Moves a payment to the next participant: one command for each of the two customers. */
async function moveToNextParticipant(
  { stage, participants }: SequenceRun,
  from: Participant,
  { nth, withClaim }: Extract<Act, { act: 'move' }>,
): Promise<DoneCommand[]> {
  const to = participants[(participants.indexOf(from) + 1) % participants.length] as Participant;
  const payment = findPayment(from, nth);
  if (to === from || payment === undefined) return [];
  from.commandCount += 1;
  const key = `${from.telegramId}-${from.commandCount}`;
  const both = [from.telegramId, to.telegramId] as const;
  const [out, into] = await movePaymentInProgram(
    stage.database.db,
    both,
    { payment, withClaim },
    key,
  );
  const command = { do: 'move-out', payment, withClaim } as const;
  const moved: DoneCommand[] = [{ participant: from, command, key, answer: out }];
  if ('refused' in into) return moved;
  const amount = Number(String('ok' in out ? out.ok.amount : 0).replace('.', ''));
  return [
    ...moved,
    { participant: to, command: { do: 'move-in', payment, amount }, key, answer: into },
  ];
}
