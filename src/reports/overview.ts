import { sql } from 'kysely';
import { type AuditResult, readLastAudit } from '../audit/result.ts';
import { countNodeStates } from '../catalog/nodes.ts';
import { readClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { dayMs, type Instant, instant, isoTime, later } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import { readOpenAlarms } from '../outbox/alarms.ts';
import { readDueForecast } from '../runs/charge-forecast.ts';
import { readHeldItems } from '../runs/held.ts';
import { countList, countSelected, type ListCount } from '../subscription/queries/list-count.ts';
import { type FilterTexts, parseFilter } from '../subscription/queries/subscription-filter.ts';
import type { ChargeSum } from '../subscription/rules/spend-limit.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { type RecentAmount, readAmountsSince } from './current-figures.ts';

// The figures of the present moment for an operator.
//
// 1. Each figure has a link: the list and the parameters that show the rows behind it.
// 2. Counts are exact up to 10,000, and estimated above. Money of today reads the entries of today.
// 3. Due is what becomes due within 24 hours, whether or not the balance covers it. Late is past
//    its end, and auto-renewal has not tried it. Short was tried, and waits, mostly for money.

/** A list of the API with its parameters. */
export interface ListLink {
  readonly list: 'ledger' | 'subscriptions' | 'customers' | 'problems' | 'notices' | 'nodes';
  readonly query: Readonly<Record<string, string>>;
}

/** Money of one currency, and the number of its entries or charges. */
export interface CurrencyAmount {
  readonly currency: string;
  readonly count: number;
  /** Major units. */
  readonly amount: string;
}

const toLink = (list: ListLink['list'], query: ListLink['query'] = {}): ListLink => ({
  list,
  query,
});

/** The start of the day in UTC. */
const startOfDay = (now: Instant): Instant => instant(now - (now % dayMs));

export async function readOverview(db: Db) {
  const { now, windowMs, ...figures } = await inTransaction(db, readFigures);
  const renewed = { state: 'active', kind: 'paid', auto_renew: 'yes' } as const;
  const countSubscriptions = async (texts: FilterTexts) => ({
    ...(await countList(db, 'subscriptions', parseFilter(texts))),
    link: toLink('subscriptions', texts as ListLink['query']),
  });
  const dueFrom = later(now, windowMs);
  return {
    now: isoTime(now),
    ...figures,
    due_24h: {
      ...figures.due_24h,
      link: toLink('subscriptions', {
        ...renewed,
        ends_after: isoTime(dueFrom),
        ends_before: isoTime(later(dueFrom, dayMs)),
      }),
    },
    late: await countSubscriptions({ ...renewed, tried: 'no', ends_before: isoTime(now) }),
    short: await countSubscriptions({ ...renewed, tried: 'yes', ends_before: isoTime(dueFrom) }),
    active_subscriptions: await countSubscriptions({ state: 'active' }),
    subscriptions: await countSubscriptions({}),
    customers: {
      ...(await countList(db, 'customers', parseFilter({}))),
      link: toLink('customers'),
    },
  };
}

export type Overview = Awaited<ReturnType<typeof readOverview>>;

async function readFigures(tx: Tx) {
  const now = await readClock(tx);
  const settings = await readSettings(tx);
  const prices = await readPriceList(tx, now);
  const since = startOfDay(now);
  const amounts = await readAmountsSince(tx, since);
  const held = await readHeldItems(tx, now, await readOpenAlarms(tx, now));
  const due = await readDueForecast(tx, { now, settings, prices }, dayMs);
  const today = { since: isoTime(since) };
  const toAmounts = (kind: RecentAmount['kind']) =>
    amounts.filter((row) => row.kind === kind).map(toAmount);
  return {
    now,
    windowMs: settings.windowMs,
    collected_today: {
      ...today,
      amounts: toAmounts('collected'),
      link: toLink('ledger', { kind: 'collected', ...today }),
    },
    charged_today: {
      ...today,
      amounts: toAmounts('charged'),
      link: toLink('ledger', { kind: 'charged', ...today }),
    },
    due_24h: {
      count: due.charges.reduce((sum, { count }) => sum + count, 0),
      amounts: due.charges.map(toAmount),
      source: due.source,
      as_of: due.asOf === null ? null : isoTime(due.asOf),
    },
    held: {
      count: held.reduce((sum, one) => sum + one.held, 0),
      items: held.map(({ kind, worker, subject, held: count }) => ({
        kind,
        worker,
        subject,
        count,
      })),
      link: toLink('problems'),
    },
    pending_notices: {
      ...(await countPendingNotices(tx)),
      link: toLink('notices', { state: 'pending' }),
    },
    nodes: { ...(await countNodeStates(tx)), link: toLink('nodes') },
    last_audit: toAuditAnswer(await readLastAudit(tx)),
  };
}

/** null: no audit has ended yet. */
const toAuditAnswer = (result: AuditResult | undefined) =>
  result === undefined
    ? null
    : {
        kind: result.kind,
        at: isoTime(result.at),
        ok: result.violations === 0n,
        violations: Number(result.violations),
        took_ms: result.tookMs,
      };

const toAmount = ({
  currency,
  count,
  minor,
}: ChargeSum & { currency: string }): CurrencyAmount => ({
  currency,
  count,
  amount: majorUnits(minor, currency),
});

const countPendingNotices = (tx: Tx): Promise<ListCount> =>
  countSelected(tx, sql`SELECT FROM perennial.notification WHERE state = 'pending'`);
