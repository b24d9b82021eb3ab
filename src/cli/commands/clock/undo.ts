import type { Command } from 'commander';
import { readClock } from '../../../db/clock.ts';
import type { Db } from '../../../db/connect.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { isoTime } from '../../../kernel/instant.ts';
import { majorUnits, moneyText } from '../../../kernel/money.ts';
import { type ClockUndoResult, undoClock } from '../../../subscription/commands/clock-undo.ts';
import {
  type EarlyCharge,
  type EarlyEnd,
  readEarlyCharges,
  readEarlyEnds,
  readWrongSales,
  type WrongSale,
} from '../../../subscription/store/clock-effects.ts';
import { readSettings } from '../../../subscription/store/settings.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

// `perennial clock report|undo`: the effects of a clock that ran ahead on customers, and their
// reversal.
//
// The reversal leaves sales, because a person requested them, and a refund ends access. The
// output names each of them with the command that refunds it.

interface ClockEffects {
  readonly charges: readonly EarlyCharge[];
  readonly ends: readonly EarlyEnd[];
  readonly sales: readonly WrongSale[];
}

export function buildClockReportCommand(open: DatabaseOpener): Command {
  const description = 'list early charges, early ends and sales at a wrong time; change nothing';
  return buildCommand('report', description).action((options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const effects = await readEffects(db);
      printResult(options, toEffectsJson(effects), () => formatEffects(effects));
    }),
  );
}

interface UndoOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function buildClockUndoCommand(open: DatabaseOpener): Command {
  return buildCommand('undo', 'refund early charges and restore subscriptions that ended early')
    .option('--dry-run', 'list the effects that would be undone; change nothing [undo]')
    .option('--yes', 'undo all that "clock report" lists, except sales [refused]')
    .action((options: UndoOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const effects = await readEffects(db);
        if (options.dryRun === true) {
          printResult(
            options,
            toEffectsJson(effects),
            () =>
              `${formatEffects(effects)}\ndry run: nothing was changed; an undo would reverse the charges and ends above`,
          );
          return;
        }
        if (options.yes !== true && toCustomers(effects).length > 0) {
          throw new UsageFault(
            'not_confirmed',
            `clock undo: ${formatSum(effects)}; pass --yes to undo them, or list them with "perennial clock report"`,
          );
        }
        const undone: ClockUndoResult[] = [];
        for (const customer of toCustomers(effects)) {
          undone.push(await undoClock({ db, actor: 'cli' }, customer));
        }
        const remaining = await readEffects(db);
        const json = {
          undone,
          left: remaining.charges.map(toChargeJson),
          sales: remaining.sales.map(toSaleJson),
        };
        printResult(options, json, () => formatUndone(undone, remaining));
      }),
    );
}

async function readEffects(db: Db): Promise<ClockEffects> {
  const now = await readClock(db);
  const { windowMs } = await readSettings(db);
  return {
    charges: await readEarlyCharges(db, now, windowMs),
    ends: await readEarlyEnds(db, now),
    sales: await readWrongSales(db, now),
  };
}

/** The customers of the effects that are undone. */
const toCustomers = ({ charges, ends }: ClockEffects): bigint[] => [
  ...new Set([...charges, ...ends].map(({ telegramId }) => telegramId)),
];

function toEffectsJson({ charges, ends, sales }: ClockEffects) {
  return {
    early_charges: charges.map(toChargeJson),
    early_ends: ends.map((row) => ({
      telegram_id: row.telegramId,
      subscription_id: row.subscriptionId,
      plan: row.plan,
      expires_at: isoTime(row.expiresAt),
      ended_at: isoTime(row.endedAt),
    })),
    sales: sales.map(toSaleJson),
  };
}

const toChargeJson = (row: EarlyCharge) => ({
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

const toSaleJson = (row: WrongSale) => ({
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

const formatSum = ({ charges, ends, sales }: ClockEffects): string =>
  `early charges: ${charges.length}, early ends: ${ends.length}, sales at a wrong time: ${sales.length}`;

function formatEffects(effects: ClockEffects): string {
  const { charges, ends, sales } = effects;
  const isUndone = toCustomers(effects).length > 0;
  if (!isUndone && sales.length === 0) return 'no effects of a wrong clock; nothing to undo';
  const rows = [
    ['CUSTOMER', 'SUBSCRIPTION', 'EFFECT', 'WRONG TIME'],
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
      `${formatSale(row)} from ${isoTime(row.startsAt)}`,
      isoTime(row.soldAt),
    ]),
  ];
  const undoes = isUndone ? '; "perennial clock undo --yes" undoes charges and ends' : '';
  return [formatTable(rows), `${formatSum(effects)}${undoes}`, ...formatKeptCharges(effects)].join(
    '\n',
  );
}

const formatSale = ({ kind, amountMinor, currency }: WrongSale): string =>
  kind === 'purchase' ? `purchase for ${moneyText(amountMinor, currency)}` : kind;

/** Effects that an undo leaves, with the reason or the command that helps. */
const formatKeptCharges = ({
  charges,
  sales,
}: Pick<ClockEffects, 'charges' | 'sales'>): string[] => [
  ...charges
    .filter(({ followedBy }) => followedBy !== null)
    .map(
      ({ telegramId, subscriptionId, periodId, amountMinor, currency, followedBy }) =>
        `not undone: customer ${telegramId}, subscription ${subscriptionId}, the charge of ${moneyText(amountMinor, currency)} for period ${periodId}, because period ${followedBy} follows; refund that period first`,
    ),
  ...sales.map(
    (sale) =>
      `not undone: customer ${sale.telegramId}, subscription ${sale.subscriptionId}, the ${formatSale(sale)}; ${formatRemedy(sale)}`,
  ),
];

function formatRemedy({ kind, telegramId, periodId, endsAt }: WrongSale): string {
  const refund = `"perennial customer refund ${telegramId} --period ${periodId}"`;
  if (kind === 'purchase') return `${refund} refunds it`;
  return kind === 'grant' ? `${refund} takes it back` : `it ends at ${isoTime(endsAt)}`;
}

function formatUndone(
  answers: readonly ClockUndoResult[],
  remaining: Pick<ClockEffects, 'charges' | 'sales'>,
): string {
  const sum = (field: 'refunded_periods' | 'restored') =>
    answers.reduce((total, one) => total + one[field], 0);
  const undone = `refunded periods: ${sum('refunded_periods')}, restored subscriptions: ${sum('restored')}, customers: ${answers.length}`;
  return [undone, ...formatKeptCharges(remaining)].join('\n');
}
