import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { grant, setAutoRenew } from '../../src/subscription/granting.ts';
import {
  buys,
  callOf,
  payer,
  paysIn,
  runAutoRenewal,
  runOf,
  sells,
  standOf,
  wrongsIn,
} from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';
import { hookPool, type Moment } from '../hooked-pool.ts';
import { type Rewinding, rewindable } from '../rewind.ts';
import { until } from '../service/until.ts';

// Somebody pays, or is given time, while a run of expiry is at his subscription, in each gap of the
// run. Who comes before the lock is seen; who comes after it waits, and brings back what was ended:
// the same credential, and a period without a hole, whichever it was.

const end = '2026-12-01T00:00:00Z';
const renewed = '2026-12-31T00:00:00Z';

interface Gap {
  readonly when: Moment['when'];
  readonly statement: RegExp;
  /** The run has the customer: whoever wants him waits. */
  readonly locked?: boolean;
}

const find = /s\.state = 'active' AND s\.expires_at <=/;
const gaps: Readonly<Record<string, Gap>> = {
  'before the finding': { when: 'before', statement: find },
  'between the finding and the lock': { when: 'before', statement: /SKIP LOCKED/ },
  'between the lock and the facts': { when: 'after', statement: /SKIP LOCKED/, locked: true },
  'before anything is written': {
    when: 'before',
    statement: /FROM perennial\.quarantine/,
    locked: true,
  },
  'before the count': { when: 'before', statement: /UPDATE perennial\.worker_run/, locked: true },
  'after all, before the commit': {
    when: 'after',
    statement: /UPDATE perennial\.worker_run/,
    locked: true,
  },
  'after the commit': { when: 'after', statement: /^commit$/i },
};

let books: Books;
let kept: Rewinding;
let id: SubscriptionId;
/** What happens in a gap, once. */
let armed: { readonly gap: Gap; readonly happens: () => Promise<void> } | undefined;
let found = false;

async function hook({ sql: text, when }: Moment): Promise<void> {
  if (find.test(text)) found = true;
  if (armed === undefined || when !== armed.gap.when || !armed.gap.statement.test(text)) return;
  // Some of these are said outside the batch too.
  if (!found && armed.gap.statement !== find) return;
  const { happens } = armed;
  armed = undefined;
  await happens();
}

beforeAll(async () => {
  books = await freshBooks({
    now: '2026-11-01T00:00:00Z',
    wrapPool: (pool) => hookPool(pool, hook),
  });
  await sells(books);
  id = await payer(books, 1n, 0n);
  await books.setClock(end);
  kept = await rewindable(books);
});

afterAll(async () => {
  await kept[Symbol.asyncDispose]();
  await books.close();
});

beforeEach(async () => {
  armed = undefined;
  found = false;
  await kept.rewind();
});

interface Deed {
  readonly before?: () => Promise<unknown>;
  readonly does: () => Promise<unknown>;
  readonly charges: number;
}

const off = () => setAutoRenew(callOf(books), { telegramId: 1n, on: false });
const deeds: Readonly<Record<string, Deed>> = {
  'a purchase': {
    before: async () => {
      await paysIn(books, 1n, 149_00n);
      await off();
    },
    does: () => buys(books, 1n),
    charges: 2,
  },
  'a top-up and the renewal that it wakes': {
    does: async () => {
      await paysIn(books, 1n, 149_00n);
      await runAutoRenewal(books);
    },
    charges: 2,
  },
  'a renewal by another run': {
    before: () => paysIn(books, 1n, 149_00n),
    does: () => runAutoRenewal(books),
    charges: 2,
  },
  'a grant': {
    before: off,
    does: () => grant(callOf(books), { telegramId: 1n, days: 30 }),
    charges: 1,
  },
};

const credentials = async () =>
  (
    await sql<{ id: string; live: boolean }>`
      SELECT id, retired_at IS NULL AS live FROM perennial.credential`.execute(books.db)
  ).rows;

/** Lets it begin, and come to its end or to a wait for the run. */
async function begun(work: Promise<unknown>): Promise<void> {
  let over = false;
  const ended = () => {
    over = true;
  };
  work.then(ended, ended);
  await until('done, or waiting for the run', async () => {
    const { rows } = await sql`
      SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(books.db);
    return over || rows.length > 0 ? true : undefined;
  });
}

const cases = Object.keys(deeds).flatMap((deed) =>
  Object.keys(gaps).map((gap) => [deed, gap] as const),
);

test.each(cases)('F3: %s %s wins, and the access stays what it was', async (deed, where) => {
  const { before, does, charges } = deeds[deed] as Deed;
  const gap = gaps[where] as Gap;
  await before?.();
  const [{ id: credential } = { id: '' }] = await credentials();
  let under: Promise<unknown> | undefined;
  armed = {
    gap,
    async happens() {
      under = does();
      await (gap.locked === true ? begun(under) : under);
    },
  };
  const run = await runOf(books, 'fast-expiry-cleanup');
  await under;
  expect({ under: under !== undefined, outcome: run.outcome }).toEqual({
    under: true,
    outcome: 'success',
  });
  expect(await standOf(books, id)).toMatchObject({ state: 'active', ends: renewed, charges });
  expect(await credentials()).toEqual([{ id: credential, live: true }]);
  expect(await wrongsIn(books.db)).toEqual([]);
});
