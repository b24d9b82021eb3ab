import {
  type Customer,
  type Subscription,
  toCanonical,
  toText,
} from '../../support/customer-model.ts';
import type { Command, CommandAnswer, CommandContext } from './commands.ts';
import { applyToModel } from './model.ts';
import { examineSubscription, isDue, isRetryDue, sortByEnd } from './renewal.ts';

// The possible results of concurrent actions.
//
// 1. Each command is one transaction under the lock of its customer. So state and answers must
//    equal those of some order of the commands. All orders are tried.
// 2. A run is not one transaction. It finds subscriptions, decides page by page, and skips locked
//    customers. So a concurrent run counts as any number of steps in that order. Each step decides
//    some due subscriptions of the customer, in the order of their ends.
// 3. This is sound: no correct result is rejected. It is slightly generous: a run that skips a
//    subscription is accepted here. A run without concurrency must decide all due subscriptions, so
//    each group may be followed by one.

export interface AskedCommand {
  readonly command: Command;
  readonly key: string;
  /** The answer of the program. */
  readonly answer: CommandAnswer;
}

/** The state with the answers by key. The same key returns the same answer. */
export interface ModelPosition {
  readonly customer: Customer;
  readonly answers: Readonly<Record<string, CommandAnswer>>;
}

export function isSameAnswer(model: CommandAnswer, program: CommandAnswer): boolean {
  if ('refused' in program) {
    return 'refused' in model && program.refused.every((code) => model.refused.includes(code));
  }
  if (!('ok' in model)) return false;
  const names = Object.keys(model.ok);
  return (
    names.length === Object.keys(program.ok).length &&
    names.every((name) => model.ok[name] === program.ok[name])
  );
}

export function applyAsked(
  at: ModelPosition,
  asked: AskedCommand,
  context: CommandContext,
): [ModelPosition, CommandAnswer] {
  const earlier = at.answers[asked.key];
  if (earlier !== undefined) return [at, earlier];
  const { customer, answer } = applyToModel(at.customer, asked.command, context);
  if ('refused' in answer) return [at, answer];
  return [{ customer, answers: { ...at.answers, [asked.key]: answer } }, answer];
}

const isPrefix = (some: readonly unknown[], all: readonly unknown[]): boolean =>
  some.length <= all.length && some.every((one, n) => toText(one) === toText(all[n]));

function listSubsets(places: readonly number[]): number[][] {
  const all: number[][] = [[]];
  for (const place of places) for (const some of all.slice()) all.push([...some, place]);
  return all;
}

/** Decides some due subscriptions, in the order of their ends. */
function decidePlaces(
  at: ModelPosition,
  places: readonly number[],
  context: CommandContext,
): ModelPosition {
  const customer = structuredClone(at.customer);
  for (const place of sortByEnd(customer, places)) examineSubscription(customer, place, context);
  return { ...at, customer };
}

function listDuePlaces(customer: Customer, now: number): number[] {
  return customer.subs.flatMap((sub, place) => (isDue(sub, now) ? [place] : []));
}

/**
 * The subscriptions that a run may examine: due ones, and those whose retry from quarantine is due.
 */
function listExaminedPlaces(customer: Customer, now: number): number[] {
  return customer.subs.flatMap((sub, place) =>
    isDue(sub, now) || isRetryDue(sub, now) ? [place] : [],
  );
}

/** The position after an order of `asked` and `runs` that explains `actual`, or undefined. */
export function findOrder(
  before: ModelPosition,
  asked: readonly AskedCommand[],
  runs: number,
  actual: Customer,
  context: CommandContext,
): ModelPosition | undefined {
  const goal = toText(toCanonical(actual));
  const seen = new Set<string>();
  const search = (
    at: ModelPosition,
    left: readonly AskedCommand[],
    rounds: number,
  ): ModelPosition | undefined => {
    const shown = toCanonical(at.customer);
    if (!isPrefix(shown.ledger, actual.ledger)) return undefined;
    if (!isPrefix(shown.events, actual.events)) return undefined;
    const text = toText(shown);
    if (left.length === 0 && text === goal) return at;
    const id = `${left.map((one) => asked.indexOf(one))} ${rounds} ${text}`;
    if (seen.has(id)) return undefined;
    seen.add(id);
    for (const one of left) {
      const [next, answer] = applyAsked(at, one, context);
      if (!isSameAnswer(answer, one.answer)) continue;
      const found = search(
        next,
        left.filter((other) => other !== one),
        rounds,
      );
      if (found !== undefined) return found;
    }
    if (rounds === 0) return undefined;
    for (const some of listSubsets(listExaminedPlaces(at.customer, context.now)).slice(1)) {
      const found = search(decidePlaces(at, some, context), left, rounds - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  // A run has four pages: retries, due, due again after a late renewal, quarantine.
  return search(before, asked, runs * 4);
}

/**
 * The possible states after a run without concurrency. All due subscriptions outside quarantine are
 * decided, in the order of their ends. A very late one is due again at once. It may be renewed
 * again in the walk, or left to the next run. The first state is reported if none matches.
 *
 * A run decides one batch of retries from quarantine, which other customers share.
 */
export function listPositionsAfterRun(
  before: ModelPosition,
  context: CommandContext,
  batchMax: number,
): ModelPosition[] {
  const due = (customer: Customer) =>
    listDuePlaces(customer, context.now).filter(
      (place) => customer.subs[place]?.quarantine === null,
    );
  // Quarantine comes last.
  const retried = before.customer.subs.flatMap((sub, place) =>
    isRetryDue(sub, context.now) ? [place] : [],
  );
  const once = decidePlaces(before, due(before.customer), context);
  const later = listSubsets(due(once.customer)).map((again) => decidePlaces(once, again, context));
  const isBig = retried.length === 0 || batchMax >= bigBatchSize;
  const batches = isBig
    ? [retried]
    : listSubsets(retried).filter(({ length }) => length <= batchMax);
  return [...later, ...listWalks(before, due, context)].flatMap((at) =>
    batches.map((batch) => decidePlaces(at, batch, context)),
  );
}

/** More than all subscriptions of a sequence in quarantine. */
const bigBatchSize = 1_000;

type WalkKey = readonly [at: number, place: number];

/**
 * The possible states after the walks of a run: first over retries, then over new subscriptions.
 * Pages may end anywhere, because other customers share them. A renewed subscription that is due
 * again has a later key.
 */
function listWalks(
  before: ModelPosition,
  due: (customer: Customer) => number[],
  context: CommandContext,
): ModelPosition[] {
  const walk = (
    at: ModelPosition,
    tried: boolean,
    [afterAt, afterPlace]: WalkKey,
  ): ModelPosition[] => {
    const keys = due(at.customer)
      .map((place): readonly [Subscription, number] => [
        at.customer.subs[place] as Subscription,
        place,
      ])
      .filter(([sub]) => (sub.nextTryAt !== null) === tried)
      .map(([sub, place]): WalkKey => [sub.nextTryAt ?? sub.expiresAt, place])
      .filter(([key, place]) => key > afterAt || (key === afterAt && place > afterPlace))
      .sort(([a, onePlace], [b, otherPlace]) => a - b || onePlace - otherPlace);
    if (keys.length === 0) return tried ? walk(at, false, [-Infinity, -1]) : [at];
    return keys.flatMap((last, n) => {
      const page = keys.slice(0, n + 1).map(([, place]) => place);
      return walk(decidePlaces(at, page, context), tried, last);
    });
  };
  return walk(before, true, [-Infinity, -1]);
}

export function isSameCustomer(one: Customer, other: Customer): boolean {
  return toText(toCanonical(one)) === toText(toCanonical(other));
}
