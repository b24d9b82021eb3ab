import { expect, test } from 'vitest';
import type { PeriodId } from '../../../../src/kernel/ids.ts';
import { dayMs, isoTime } from '../../../../src/kernel/instant.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import type { SubscriptionDetails } from '../../../../src/subscription/queries/subscription-details.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { csvHeader, importText } from '../../../support/import-export.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  parseTime,
  runWorkerAt,
} from '../../../support/shop.ts';
import { createTermsShop, readAuditViolations, start } from '../../../support/terms-shop.ts';

// Mixtures of periods, and each way to remove one of them.
//
// The expected terms are written from the requirement: plan, length and kind follow the last period
// that is not refunded.

type BaseKind = 'trial' | 'import' | 'basic 30' | 'gift of basic';
type AddedKind = 'plus 30' | 'basic 365' | 'basic 30' | 'gift';

const additions: readonly (readonly AddedKind[])[] = [
  ['basic 365'],
  ['gift'],
  ['basic 365', 'gift'],
  ['gift', 'basic 365'],
  ['basic 365', 'basic 30', 'gift'],
  ['basic 30', 'gift', 'gift', 'basic 365'],
];
const trialAdditions: readonly (readonly AddedKind[])[] = [
  ['plus 30'],
  ['plus 30', 'gift'],
  ['gift', 'plus 30'],
  ['plus 30', 'gift', 'plus 30', 'gift'],
];
const bases: readonly BaseKind[] = ['trial', 'import', 'basic 30', 'gift of basic'];

interface Removal {
  readonly what: 'sold' | 'gift';
  readonly part: 'whole' | 'unused';
  readonly when: 'before its start' | 'while it runs';
  readonly by: 'refund' | 'revoke';
}

const removals: readonly Removal[] = (['before its start', 'while it runs'] as const).flatMap(
  (when) => [
    { what: 'sold', part: 'whole', when, by: 'refund' },
    { what: 'sold', part: 'unused', when, by: 'refund' },
    { what: 'gift', part: 'unused', when, by: 'refund' },
    { what: 'sold', part: 'whole', when, by: 'revoke' },
    { what: 'sold', part: 'unused', when, by: 'revoke' },
  ],
);

interface TermsCase extends Removal {
  readonly id: bigint;
  readonly base: BaseKind;
  readonly added: readonly AddedKind[];
}

const termsCases: readonly TermsCase[] = bases
  .flatMap((base) =>
    (base === 'trial' ? [...trialAdditions, ...additions] : additions).map((added) => ({
      base,
      added,
    })),
  )
  .flatMap((mixture) => removals.map((one) => ({ ...mixture, ...one })))
  .filter(({ what, added }) => added.some((one) => (one === 'gift') === (what === 'gift')))
  .map((termsCase, index) => ({ ...termsCase, id: BigInt(index + 1) }));

const formatCase = ({ base, added, what, part, when, by }: TermsCase): string =>
  `${[base, ...added].join(', ')}: ${by} of the last ${what} period (${part}) ${when}`;

const readSubscriptionView = async (
  { db }: TestDatabase,
  id: bigint,
): Promise<SubscriptionDetails> =>
  (await readCustomerView(db, id, 0)).subscriptions[0] as SubscriptionDetails;

async function createCase(database: TestDatabase, { id, base, added }: TermsCase): Promise<void> {
  if (base !== 'import') await addCustomer(database, id, { balanceMinor: 10_000_00n });
  const give = { telegramId: id, days: 10 };
  const buy = (what: string) => {
    const [plan = '', days] = what.split(' ');
    return buyPlan(database, id, { plan, periodDays: Number(days), autoRenew: false });
  };
  if (base === 'trial') await startTrial(createCaller(database), { telegramId: id });
  else if (base === 'gift of basic')
    await grant(createCaller(database), { ...give, newPlan: 'basic' });
  else if (base !== 'import') await buy(base);
  for (const one of added) await (one === 'gift' ? grant(createCaller(database), give) : buy(one));
}

type Period = SubscriptionDetails['periods'][number];
const isGift = ({ source }: Period): boolean => source === 'grant';
const isSold = ({ source }: Period): boolean => source === 'purchase';
const computeDays = ({ starts_at, ends_at }: Period): number =>
  (Date.parse(ends_at) - Date.parse(starts_at)) / dayMs;

/** The terms by the requirement; undefined if no period is left. */
function computeExpected(
  { base, what, part, when }: TermsCase,
  all: readonly Period[],
  now: number,
) {
  const byStart = all.toSorted((one, other) => one.starts_at.localeCompare(other.starts_at));
  const left = byStart.filter(
    ({ refunded_at, part_of }) => refunded_at === null && part_of === null,
  );
  const wasSoldBefore = (gift: Period) => all.filter(isSold).filter(({ id }) => id < gift.id);
  const isPaid = (one: Period): boolean => {
    if (one.source === 'trial') return false;
    return !isGift(one) || base !== 'trial' || wasSoldBefore(one).length > 0;
  };
  const lengthOf = (one: Period): number => {
    if (one.source === 'import') return 90;
    if (one.source === 'trial') return 3;
    if (isSold(one)) return computeDays(one);
    // A grant has the length of the last sold period before it that is left, else of the last sold
    // one.
    const before = left.filter(({ starts_at }) => starts_at < one.starts_at);
    const same = before.findLast((other) => isPaid(other) === isPaid(one));
    if (same !== undefined) return lengthOf(same);
    if (base === 'gift of basic' && one.id === all[0]?.id) return 10;
    return computeDays(wasSoldBefore(one).at(-1) ?? one);
  };
  const last = left.findLast(isPaid) ?? left.at(-1);
  const runs = left.find(
    ({ starts_at, ends_at }) => Date.parse(starts_at) <= now && now < Date.parse(ends_at),
  );
  const words = (one: Period) => `${one.plan} ${lengthOf(one)}`;
  const isSoldUnused = what === 'sold' && part === 'unused';
  // The used time that was not refunded was bought.
  const used = byStart.findLast(({ part_of }) => isSoldUnused && part_of !== null);
  if (used && when === 'while it runs' && !left.some(isPaid)) {
    const sold = all.find(({ id }) => id === used.part_of) as Period;
    return { kind: 'paid', next: words(sold), runs: words(runs ?? sold) };
  }
  return last === undefined
    ? undefined
    : { kind: isPaid(last) ? 'paid' : 'trial', next: words(last), runs: words(runs ?? last) };
}

test('B2: plan, length and kind follow the last period that is not refunded, in each mixture of periods', async () => {
  const database = await createTermsShop();
  const lines = termsCases
    .filter(({ base }) => base === 'import')
    .map(
      ({ id }) => `${id},en,UTC,RUB,10000,false,0,true,,paid,basic,90,2026-11-21T00:00:00Z,false,`,
    );
  expect(await importText(database.url, [csvHeader, ...lines].join('\n'))).toMatchObject({});
  const due: { scene: TermsCase; periodId: PeriodId; atMs: number }[] = [];
  for (const termsCase of termsCases) {
    await createCase(database, termsCase);
    const { periods } = await readSubscriptionView(database, termsCase.id);
    const period = periods.findLast(termsCase.what === 'gift' ? isGift : isSold) as Period;
    const [from, until] = [Date.parse(period.starts_at), Date.parse(period.ends_at)];
    const isAhead = termsCase.when === 'before its start';
    if (isAhead && from <= parseTime(start)) continue;
    const atMs = isAhead ? parseTime(start) + dayMs / 2 : (from + until) / 2;
    due.push({ scene: termsCase, periodId: BigInt(period.id) as PeriodId, atMs });
  }
  const found: string[] = [];
  let lastMs = 0;
  for (const { scene: termsCase, periodId, atMs } of due.toSorted(
    (one, other) => one.atMs - other.atMs,
  )) {
    if (atMs !== lastMs) {
      await runWorkerAt(database, isoTime(atMs as never), 'fast-expiry-cleanup', {
        confirmed: true,
      });
      lastMs = atMs;
    }
    const telegramId = termsCase.id;
    if (termsCase.by === 'revoke') {
      await revoke(createCaller(database), { telegramId, reason: 'test', refund: termsCase.part });
      continue;
    }
    await refund(createCaller(database), { telegramId, periodId, part: termsCase.part });
    const subscription = await readSubscriptionView(database, telegramId);
    const want = computeExpected(termsCase, subscription.periods, atMs);
    if (want === undefined) continue;
    const has = {
      kind: subscription.kind,
      next: `${subscription.next_plan ?? subscription.plan} ${subscription.next_period_days ?? subscription.period_days}`,
      runs: `${subscription.plan} ${subscription.period_days}`,
    };
    if (JSON.stringify(has) !== JSON.stringify(want)) {
      found.push(
        `${formatCase(termsCase)}: ${JSON.stringify(has)}, expected ${JSON.stringify(want)}`,
      );
    }
  }
  expect(found).toEqual([]);
  expect(due.length).toBeGreaterThan(150);
  expect(await readAuditViolations(database)).toEqual([]);
}, 480_000);
