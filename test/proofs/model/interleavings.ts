import {
  type Customer,
  type Subscription,
  toCanonical,
  toText,
} from '../../support/customer-model.ts';
import type { Command, CommandAnswer, CommandContext } from './commands.ts';
import { applyToModel } from './model.ts';
import { examineSubscription, isDue, isRetryDue, sortByEnd } from './renewal.ts';

// What may come out when things are done at once. Each command is one transaction under the
// customer's lock, so the books and the answers must be those of *some* order of the commands; all
// orders are tried. A run is not one transaction: it finds, and then decides page by page, and
// leaves out who is locked just then. So a run among other things is taken for any number of
// steps, anywhere in that order, each of which decides some of the customer's due subscriptions, in
// order of their end. That is sound (no right result is refused) and a bit generous: a run that
// overlooks somebody is accepted here. A run on its own is not given that: it has to decide
// all that is due, so each group is followed by the chance of one.

export interface AskedCommand {
  readonly command: Command;
  readonly key: string;
  /** What the program answered. */
  readonly answer: CommandAnswer;
}

/** Books with the answers that were given under a key: the same key again gives the same. */
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

/** Some due subscriptions decided, by the order of their end. */
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

/** Those that a run may look at: due ones, and those whose retry from quarantine is due. */
function listExaminedPlaces(customer: Customer, now: number): number[] {
  return customer.subs.flatMap((sub, place) =>
    isDue(sub, now) || isRetryDue(sub, now) ? [place] : [],
  );
}

/** The position after an order of `asked` and `runs` that explains `actual`; undefined: none. */
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
  // Four pages a run: to be tried again, due, due again after a late renewal, out of quarantine.
  return search(before, asked, runs * 4);
}

/**
 * What a run on its own leaves: every due one that is not in quarantine decided, in order of its
 * end. One that was so late that it is due again at once may be renewed again, where the walk comes
 * to it, or left to the next run. The first is what is said when none fits.
 *
 * Of the retries from quarantine, a run decides one batch, which other customers' retries fill too.
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
  // What is in quarantine comes last.
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

/** More than all customers of a sequence have in quarantine. */
const bigBatchSize = 1_000;

type WalkKey = readonly [at: number, place: number];

/**
 * What the walks of a run may leave: first over those that were tried, then over the new ones, in
 * pages that end anywhere, since other customers' subscriptions fill them too. One that is renewed
 * and due again has a key that is yet to come.
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
