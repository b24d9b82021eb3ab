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
} from '../subscription/clock-effects.ts';
import { type UndoAnswer, undoClock } from '../subscription/clock-undo.ts';
import { readSettings } from '../subscription/settings.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';

// `perennial clock report|undo`: what a clock that ran ahead did to customers, and its reversal.

interface Effects {
  readonly charges: readonly EarlyCharge[];
  readonly ends: readonly EarlyEnd[];
}

export function clockReport(open: OpenBooks): Command {
  const says = 'list the early charges and early ends that a wrong clock caused; changes nothing';
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
    .option('--yes', 'undo all that "clock report" lists')
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
        const left = (await readEffects(db)).charges;
        print(options, { undone: done, left: left.map(chargeJson) }, () => undoneText(done, left));
      }),
    );
}

async function readEffects(db: Db): Promise<Effects> {
  const now = await readClock(db);
  const { windowMs } = await readSettings(db);
  return {
    charges: await readEarlyCharges(db, now, windowMs),
    ends: await readEarlyEnds(db, now),
  };
}

const customersOf = ({ charges, ends }: Effects): bigint[] => [
  ...new Set([...charges, ...ends].map(({ telegramId }) => telegramId)),
];

function effectsJson({ charges, ends }: Effects) {
  return {
    early_charges: charges.map(chargeJson),
    early_ends: ends.map((row) => ({
      telegram_id: row.telegramId,
      subscription_id: row.subscriptionId,
      plan: row.plan,
      expires_at: isoTime(row.expiresAt),
      ended_at: isoTime(row.endedAt),
    })),
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

const sumText = ({ charges, ends }: Effects): string =>
  `early charges: ${charges.length}, early ends: ${ends.length}`;

function effectsText(effects: Effects): string {
  const { charges, ends } = effects;
  if (customersOf(effects).length === 0) return 'no effects of a wrong clock; nothing to undo';
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
  ];
  const sum = `${table(rows)}\n${sumText(effects)}; "perennial clock undo --yes" undoes them`;
  return [sum, ...keptText(charges)].join('\n');
}

/** The charges that an undo leaves, with the reason. */
const keptText = (charges: readonly EarlyCharge[]): string[] =>
  charges
    .filter(({ followedBy }) => followedBy !== null)
    .map(
      ({ telegramId, subscriptionId, periodId, amountMinor, currency, followedBy }) =>
        `not undone: customer ${telegramId}, subscription ${subscriptionId}, the charge of ${moneyText(amountMinor, currency)} for period ${periodId}, because period ${followedBy} follows; refund that period first`,
    );

function undoneText(done: readonly UndoAnswer[], left: readonly EarlyCharge[]): string {
  const sum = (of: 'refunded_periods' | 'restored') =>
    done.reduce((total, one) => total + one[of], 0);
  const undone = `refunded periods: ${sum('refunded_periods')}, restored subscriptions: ${sum('restored')}, customers: ${done.length}`;
  return [undone, ...keptText(left)].join('\n');
}
