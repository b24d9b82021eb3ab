import { type Customer, canonical, type Sub, textOf } from './books-of.ts';
import type { Command, Surroundings, Told } from './commands.ts';
import { obey } from './obey.ts';
import { byEnd, isDue, isRetried, lookAt } from './renewing.ts';

// What may come out when things are done at once. Each command is one transaction under the
// customer's lock, so the books and the answers must be those of *some* order of the commands; all
// orders are tried. A run is not one transaction: it finds, and then decides page by page, and
// leaves out who is locked just then. So a run among other things is taken for any number of
// steps, anywhere in that order, each of which decides some of the customer's due subscriptions, in
// order of their end. That is sound (no right result is refused) and a bit generous: a run that
// overlooks somebody is accepted here. A run on its own is not given that: it has to decide
// all that is due, so each group is followed by the chance of one.

export interface Asked {
  readonly command: Command;
  readonly key: string;
  /** What the program answered. */
  readonly told: Told;
}

/** Books with the answers that were given under a key: the same key again gives the same. */
export interface Position {
  readonly customer: Customer;
  readonly answers: Readonly<Record<string, Told>>;
}

export function agrees(model: Told, program: Told): boolean {
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

export function step(at: Position, asked: Asked, around: Surroundings): [Position, Told] {
  const earlier = at.answers[asked.key];
  if (earlier !== undefined) return [at, earlier];
  const { customer, told } = obey(at.customer, asked.command, around);
  if ('refused' in told) return [at, told];
  return [{ customer, answers: { ...at.answers, [asked.key]: told } }, told];
}

const isPrefix = (some: readonly unknown[], all: readonly unknown[]): boolean =>
  some.length <= all.length && some.every((one, n) => textOf(one) === textOf(all[n]));

function subsets(places: readonly number[]): number[][] {
  const all: number[][] = [[]];
  for (const place of places) for (const some of all.slice()) all.push([...some, place]);
  return all;
}

/** Some due subscriptions decided, by the order of their end. */
function decide(at: Position, places: readonly number[], around: Surroundings): Position {
  const customer = structuredClone(at.customer);
  for (const place of byEnd(customer, places)) lookAt(customer, place, around);
  return { ...at, customer };
}

function duePlaces(customer: Customer, now: number): number[] {
  return customer.subs.flatMap((sub, place) => (isDue(sub, now) ? [place] : []));
}

/** Those that a run may look at: due ones, and those whose retry from quarantine is due. */
function lookedAt(customer: Customer, now: number): number[] {
  return customer.subs.flatMap((sub, place) =>
    isDue(sub, now) || isRetried(sub, now) ? [place] : [],
  );
}

/** The position after an order of `asked` and `runs` that explains `actual`; undefined: none. */
export function explain(
  before: Position,
  asked: readonly Asked[],
  runs: number,
  actual: Customer,
  around: Surroundings,
): Position | undefined {
  const goal = textOf(canonical(actual));
  const seen = new Set<string>();
  const search = (at: Position, left: readonly Asked[], rounds: number): Position | undefined => {
    const shown = canonical(at.customer);
    if (!isPrefix(shown.ledger, actual.ledger)) return undefined;
    if (!isPrefix(shown.events, actual.events)) return undefined;
    const here = textOf(shown);
    if (left.length === 0 && here === goal) return at;
    const id = `${left.map((one) => asked.indexOf(one))} ${rounds} ${here}`;
    if (seen.has(id)) return undefined;
    seen.add(id);
    for (const one of left) {
      const [next, told] = step(at, one, around);
      if (!agrees(told, one.told)) continue;
      const found = search(
        next,
        left.filter((other) => other !== one),
        rounds,
      );
      if (found !== undefined) return found;
    }
    if (rounds === 0) return undefined;
    for (const some of subsets(lookedAt(at.customer, around.now)).slice(1)) {
      const found = search(decide(at, some, around), left, rounds - 1);
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
export function afterRun(before: Position, around: Surroundings, batchMax: number): Position[] {
  const due = (customer: Customer) =>
    duePlaces(customer, around.now).filter((place) => customer.subs[place]?.quarantine === null);
  // What is in quarantine comes last.
  const retried = before.customer.subs.flatMap((sub, place) =>
    isRetried(sub, around.now) ? [place] : [],
  );
  const once = decide(before, due(before.customer), around);
  const later = subsets(due(once.customer)).map((again) => decide(once, again, around));
  const isBig = retried.length === 0 || batchMax >= bigBatch;
  const batches = isBig ? [retried] : subsets(retried).filter(({ length }) => length <= batchMax);
  return [...later, ...walks(before, due, around)].flatMap((at) =>
    batches.map((batch) => decide(at, batch, around)),
  );
}

/** More than all customers of a sequence have in quarantine. */
const bigBatch = 1_000;

type Key = readonly [at: number, place: number];

/**
 * What the walks of a run may leave: first over those that were tried, then over the new ones, in
 * pages that end anywhere, since other customers' subscriptions fill them too. One that is renewed
 * and due again has a key that is yet to come.
 */
function walks(
  before: Position,
  due: (customer: Customer) => number[],
  around: Surroundings,
): Position[] {
  const walk = (at: Position, tried: boolean, [afterAt, afterPlace]: Key): Position[] => {
    const keys = due(at.customer)
      .map((place): readonly [Sub, number] => [at.customer.subs[place] as Sub, place])
      .filter(([sub]) => (sub.nextTryAt !== null) === tried)
      .map(([sub, place]): Key => [sub.nextTryAt ?? sub.expiresAt, place])
      .filter(([key, place]) => key > afterAt || (key === afterAt && place > afterPlace))
      .sort(([a, onePlace], [b, otherPlace]) => a - b || onePlace - otherPlace);
    if (keys.length === 0) return tried ? walk(at, false, [-Infinity, -1]) : [at];
    return keys.flatMap((last, n) => {
      const page = keys.slice(0, n + 1).map(([, place]) => place);
      return walk(decide(at, page, around), tried, last);
    });
  };
  return walk(before, true, [-Infinity, -1]);
}

export function sameBooks(one: Customer, other: Customer): boolean {
  return textOf(canonical(one)) === textOf(canonical(other));
}
