import { readClock } from '../db/clock.ts';
import { type Db, inSnapshot, type Tx } from '../db/connect.ts';
import { yieldToEventLoop } from '../kernel/event-loop.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, later, minuteMs } from '../kernel/instant.ts';
import { readSettings } from '../subscription/store/settings.ts';
import type { RunIntervals } from './customer-state.ts';
import type { DatedPrice } from './dated-prices.ts';
import {
  type ForecastBasis,
  groupByCustomer,
  type PageExtras,
  readPageExtras,
  toSimulatedCustomer,
} from './load.ts';
import { type DueReview, SimulatedOutbox } from './outbox.ts';
import type { PlannedCharge, PlannedOutcome, SimulationReport } from './outcomes.ts';
import { CustomerSimulation } from './simulation.ts';
import {
  type CustomerPage,
  type CustomerSubscriptionRow,
  readCustomerPage,
  readDatedPrices,
  readDueReviews,
  readNoticeFacts,
  readQuarantineStates,
} from './store.ts';

// The forecast of all customers: what the workers will do within some days.
//
// 1. One snapshot is read by keyset over the customers. Memory does not grow with their number.
// 2. Each customer is simulated alone, with the rules of the workers (`simulation.ts`).
// 3. If an amount depends on notifications, the customer is simulated again with them.
// 4. No command follows: no customer pays, buys or changes a plan. Each notification to a reachable
//    customer arrives. No guard holds anything, no run is late, and no retry of an item in
//    quarantine fails by a fault.

export interface ForecastRequest {
  readonly days: number;
  /** The intervals of the workers; by default those of the workers themselves. */
  readonly intervals?: RunIntervals;
  /** Prices that replace those of the database from now on. */
  readonly prices?: readonly Omit<DatedPrice, 'validFrom'>[];
  readonly signal?: AbortSignal;
}

/** The time range of a forecast. */
export interface ForecastRange {
  readonly from: Instant;
  /** Exclusive. */
  readonly until: Instant;
}

export const defaultIntervals: RunIntervals = {
  renewalMs: 10 * minuteMs,
  expiryMs: minuteMs,
  remindersMs: 5 * minuteMs,
};

/** The most days of a forecast. */
export const forecastDaysMax = 366;

/** Customers per page. Two pages are in memory. */
const pageMax = 500;
/** Customers between two turns of the event loop: a few milliseconds. */
const customersPerTurn = 100;

/** Reports what happens to each subscription, customer by customer. */
export function forecastOutcomes(
  db: Db,
  request: ForecastRequest,
  report: (outcome: PlannedOutcome) => void,
): Promise<ForecastRange> {
  return forecastAll(db, request, { outcome: report });
}

/** As `forecastOutcomes`, also with the first attempt of each charge. */
export function forecastAll(
  db: Db,
  request: ForecastRequest,
  report: SimulationReport,
): Promise<ForecastRange> {
  return inSnapshot(db, (tx) => new ForecastWalk(tx, request, report).run());
}

class ForecastWalk {
  readonly #tx: Tx;
  readonly #request: ForecastRequest;
  readonly #report: SimulationReport;

  constructor(tx: Tx, request: ForecastRequest, report: SimulationReport) {
    this.#tx = tx;
    this.#request = request;
    this.#report = report;
  }

  async run(): Promise<ForecastRange> {
    const { basis, reviews } = await this.#readBasis();
    const { now: from, until, settings } = basis.rules;
    const readPage = (after: CustomerPage['lastId']) =>
      Promise.allSettled([readCustomerPage(this.#tx, { after, max: pageMax, until, settings })]);
    let next = readPage(undefined);
    while (this.#request.signal?.aborted !== true) {
      const [page] = await next;
      if (page.status === 'rejected') throw page.reason;
      const { rows, lastId } = page.value;
      // The server reads the next page while this one is simulated.
      if (lastId !== undefined) next = readPage(lastId);
      await this.#forecastPage(rows, basis, reviews);
      if (lastId === undefined) break;
    }
    await next;
    return { from, until };
  }

  async #readBasis(): Promise<{ basis: ForecastBasis; reviews: readonly DueReview[] }> {
    const tx = this.#tx;
    const { days, intervals = defaultIntervals, prices: replaced = [] } = this.#request;
    const now = await readClock(tx);
    const prices = await readDatedPrices(tx);
    const basis: ForecastBasis = {
      rules: { now, until: later(now, days * dayMs), settings: await readSettings(tx), intervals },
      prices: replaced.length === 0 ? prices : prices.replaceFrom(now, replaced),
      renewalQuarantine: await readQuarantineStates(tx, 'auto-renewal'),
      expiryQuarantine: await readQuarantineStates(tx, 'fast-expiry-cleanup'),
    };
    return { basis, reviews: [...(await readDueReviews(tx)), ...replaced] };
  }

  async #forecastPage(
    rows: readonly CustomerSubscriptionRow[],
    basis: ForecastBasis,
    reviews: readonly DueReview[],
  ): Promise<void> {
    const extras = await readPageExtras(this.#tx, rows, basis.rules);
    const results: CustomerResult[] = [];
    for (const [index, ownRows] of groupByCustomer(rows).entries()) {
      if (index % customersPerTurn === 0) await yieldToEventLoop();
      const result = new CustomerResult(ownRows);
      const customer = toSimulatedCustomer(ownRows, basis, extras);
      result.isCertain = new CustomerSimulation(customer, basis.rules, result).run();
      results.push(result);
    }
    const uncertain = results.filter(({ isCertain }) => !isCertain);
    if (uncertain.length > 0) await this.#addNotices(uncertain, basis, reviews, extras);
    for (const { outcomes, charges } of results) {
      for (const one of outcomes) this.#report.outcome(one);
      for (const one of charges) this.#report.charge?.(one);
    }
  }

  /** Replaces the results of these customers: with notifications. */
  async #addNotices(
    uncertain: readonly CustomerResult[],
    basis: ForecastBasis,
    reviews: readonly DueReview[],
    extras: PageExtras,
  ): Promise<void> {
    const { readers, periods } = await readNoticeFacts(
      this.#tx,
      uncertain.map(({ rows }) => (rows[0] as CustomerSubscriptionRow).customerId),
      uncertain.flatMap(({ rows }) => rows).flatMap(toChangingIds),
      basis.rules.now,
    );
    for (const [index, result] of uncertain.entries()) {
      if (index % customersPerTurn === 0) await yieldToEventLoop();
      result.clear();
      const customer = toSimulatedCustomer(result.rows, basis, extras, periods);
      const reader = readers.get(customer.id);
      if (reader === undefined) continue;
      const outbox = new SimulatedOutbox(customer, basis.rules, reader, reviews);
      new CustomerSimulation(customer, basis.rules, result, outbox).run();
    }
  }
}

/** The results of one customer of a page. */
class CustomerResult implements SimulationReport {
  readonly rows: readonly CustomerSubscriptionRow[];
  readonly outcomes: PlannedOutcome[] = [];
  readonly charges: PlannedCharge[] = [];
  isCertain = true;

  constructor(rows: readonly CustomerSubscriptionRow[]) {
    this.rows = rows;
  }

  outcome(outcome: PlannedOutcome): void {
    this.outcomes.push(outcome);
  }

  charge(charge: PlannedCharge): void {
    this.charges.push(charge);
  }

  clear(): void {
    this.outcomes.length = 0;
    this.charges.length = 0;
  }
}

const toChangingIds = ({ subscriptionId, changesAt }: CustomerSubscriptionRow): SubscriptionId[] =>
  changesAt === null ? [] : [subscriptionId];
