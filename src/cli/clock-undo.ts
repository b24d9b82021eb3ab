import type { Command } from 'commander';
import { readClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { isoTime } from '../kernel/instant.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import {
  type EarlyCharge,
  type EarlyEnd,
  readEarlyCharges,
  readEarlyEnds,
  readWrongSales,
  type WrongSale,
} from '../subscription/clock-effects.ts';
import { type UndoAnswer, undoClock } from '../subscription/clock-undo.ts';
import { readSettings } from '../subscription/settings.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';

// `perennial clock report|undo`: what a clock that ran ahead did to customers, and its reversal.
//
// The reversal leaves sales: a person wanted them, and a refund takes access away. The output names
// each of them with the command that refunds it.

interface Effects {
  readonly charges: readonly EarlyCharge[];
  readonly ends: readonly EarlyEnd[];
  readonly sales: readonly WrongSale[];
}

export function clockReport(open: OpenBooks): Command {
  const says = 'list early charges, early ends and sales at a wrong time; changes nothing';
  return command('report', says).action((options: CommonOptions) =>
    withBooks(open, options, async ({ db }) => {
      const effects = await readEffects(db);
      print(options, effectsJson(effects), () => effectsText(effects));
    }),
  );
}

interface UndoOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function clockUndo(open: OpenBooks): Command {
  return command('undo', 'refund early charges and restore subscriptions that ended early')
    .option('--dry-run', 'list what would be undone; changes nothing')
    .option('--yes', 'undo all that "clock report" lists, except sales')
    .action((options: UndoOptions) =>
      withBooks(open, options, async ({ db }) => {
        const effects = await readEffects(db);
        if (options.dryRun === true) {
          print(options, effectsJson(effects), () => effectsText(effects));
          return;
        }
        if (options.yes !== true && customersOf(effects).length > 0) {
          throw new UsageFault(
            'not_confirmed',
            `clock undo: ${sumText(effects)}; "perennial clock report" lists them, --yes undoes them`,
          );
        }
        const done: UndoAnswer[] = [];
        for (const customer of customersOf(effects)) {
          done.push(await undoClock({ db, actor: 'cli' }, customer));
        }
        const left = await readEffects(db);
        const json = {
          undone: done,
          left: left.charges.map(chargeJson),
          sales: left.sales.map(saleJson),
        };
        print(options, json, () => undoneText(done, left));
      }),
    );
}

async function readEffects(db: Db): Promise<Effects> {
  const now = await readClock(db);
  const { windowMs } = await readSettings(db);
  return {
    charges: await readEarlyCharges(db, now, windowMs),
    ends: await readEarlyEnds(db, now),
    sales: await readWrongSales(db, now),
  };
}

/** The customers of the effects that are undone. */
const customersOf = ({ charges, ends }: Effects): bigint[] => [
  ...new Set([...charges, ...ends].map(({ telegramId }) => telegramId)),
];

function effectsJson({ charges, ends, sales }: Effects) {
  return {
    early_charges: charges.map(chargeJson),
    early_ends: ends.map((row) => ({
      telegram_id: row.telegramId,
      subscription_id: row.subscriptionId,
      plan: row.plan,
      expires_at: isoTime(row.expiresAt),
      ended_at: isoTime(row.endedAt),
    })),
    sales: sales.map(saleJson),
  };
}

const chargeJson = (row: EarlyCharge) => ({
  telegram_id: row.telegramId,
  subscription_id: row.subscriptionId,
  period_id: row.periodId,
  amount: majorUnits(row.amountMinor, row.currency),
  currency: row.currency,
  starts_at: isoTime(row.startsAt),
  ends_at: isoTime(row.endsAt),
  charged_at: isoTime(row.chargedAt),
  followed_by_period_id: row.followedBy,
});

const saleJson = (row: WrongSale) => ({
  telegram_id: row.telegramId,
  subscription_id: row.subscriptionId,
  period_id: row.periodId,
  kind: row.kind,
  plan: row.plan,
  amount: majorUnits(row.amountMinor, row.currency),
  currency: row.currency,
  starts_at: isoTime(row.startsAt),
  ends_at: isoTime(row.endsAt),
  sold_at: isoTime(row.soldAt),
});

const sumText = ({ charges, ends, sales }: Effects): string =>
  `early charges: ${charges.length}, early ends: ${ends.length}, sales at a wrong time: ${sales.length}`;

function effectsText(effects: Effects): string {
  const { charges, ends, sales } = effects;
  const isUndone = customersOf(effects).length > 0;
  if (!isUndone && sales.length === 0) return 'no effects of a wrong clock; nothing to undo';
  const rows = [
    ['CUSTOMER', 'SUBSCRIPTION', 'EFFECT', 'BY THE WRONG CLOCK'],
    ...charges.map((row) => [
      row.telegramId.toString(),
      row.subscriptionId.toString(),
      `charged ${moneyText(row.amountMinor, row.currency)} for the period from ${isoTime(row.startsAt)}`,
      isoTime(row.chargedAt),
    ]),
    ...ends.map((row) => [
      row.telegramId.toString(),
      row.subscriptionId.toString(),
      `ended ${row.plan}, paid until ${isoTime(row.expiresAt)}`,
      isoTime(row.endedAt),
    ]),
    ...sales.map((row) => [
      row.telegramId.toString(),
      row.subscriptionId.toString(),
      `${saleText(row)} from ${isoTime(row.startsAt)}`,
      isoTime(row.soldAt),
    ]),
  ];
  const undoes = isUndone ? '; "perennial clock undo --yes" undoes charges and ends' : '';
  return [table(rows), `${sumText(effects)}${undoes}`, ...keptText(effects)].join('\n');
}

const saleText = ({ kind, amountMinor, currency }: WrongSale): string =>
  kind === 'purchase' ? `purchase for ${moneyText(amountMinor, currency)}` : kind;

/** What an undo leaves, with the reason or the command that helps. */
const keptText = ({ charges, sales }: Pick<Effects, 'charges' | 'sales'>): string[] => [
  ...charges
    .filter(({ followedBy }) => followedBy !== null)
    .map(
      ({ telegramId, subscriptionId, periodId, amountMinor, currency, followedBy }) =>
        `not undone: customer ${telegramId}, subscription ${subscriptionId}, the charge of ${moneyText(amountMinor, currency)} for period ${periodId}, because period ${followedBy} follows; refund that period first`,
    ),
  ...sales.map(
    (sale) =>
      `not undone: customer ${sale.telegramId}, subscription ${sale.subscriptionId}, the ${saleText(sale)}; ${remedyOf(sale)}`,
  ),
];

function remedyOf({ kind, telegramId, periodId, endsAt }: WrongSale): string {
  const refund = `"perennial customer refund ${telegramId} --period ${periodId}"`;
  if (kind === 'purchase') return `${refund} refunds it`;
  return kind === 'grant' ? `${refund} takes it back` : `it ends at ${isoTime(endsAt)}`;
}

function undoneText(done: readonly UndoAnswer[], left: Pick<Effects, 'charges' | 'sales'>): string {
  const sum = (of: 'refunded_periods' | 'restored') =>
    done.reduce((total, one) => total + one[of], 0);
  const undone = `refunded periods: ${sum('refunded_periods')}, restored subscriptions: ${sum('restored')}, customers: ${done.length}`;
  return [undone, ...keptText(left)].join('\n');
}
