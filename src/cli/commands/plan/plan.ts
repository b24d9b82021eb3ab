import { Command } from 'commander';
import { setPrice } from '../../../catalog/apply.ts';
import { listPlans } from '../../../catalog/plan-list.ts';
import { requirePeriodFitsWindow } from '../../../catalog/renewal-window.ts';
import { formatWithdrawal, readPriceWithdrawal } from '../../../catalog/withdrawals.ts';
import { readClock } from '../../../db/clock.ts';
import { inTransaction } from '../../../db/connect.ts';
import { readTrustedTime } from '../../../db/trusted-time.ts';
import { formatCount } from '../../../kernel/count.ts';
import { refused, UsageFault } from '../../../kernel/faults.ts';
import { type Instant, isoTime } from '../../../kernel/instant.ts';
import { majorUnits, moneyText, parseMinor } from '../../../kernel/money.ts';
import { recordEvents } from '../../../subscription/store/events.ts';
import { runPriceReviews } from '../../../subscription/store/price-reviews.ts';
import { parseCurrencyCode, parseDays, parseTime } from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

interface PriceOptions extends CommonOptions {
  readonly days: number;
  readonly currency?: string;
  readonly from?: Instant;
}

/** `perennial plan list|set-price`. */
export function buildPlanCommand(open: DatabaseOpener): Command {
  return new Command('plan')
    .addCommand(buildListCommand(open))
    .addCommand(buildSetPriceCommand(open));
}

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list plans, their groups, and present and future prices').action(
    (options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const plans = await listPlans(db, await readClock(db));
        printResult(options, plans, () =>
          plans.length === 0
            ? 'no plans; add them with "perennial apply FILE"'
            : formatTable([
                ['PLAN', 'TITLE', 'GROUPS', 'PRICES'],
                ...plans.map((plan) => [
                  plan.key + (plan.retired_at === null ? '' : ' (retired)'),
                  Object.values(plan.title).join(' / '),
                  plan.groups.join(', '),
                  plan.prices
                    .map(
                      (p) =>
                        `${p.period_days} d ${p.amount} ${p.currency}${p.valid_from ? ` from ${p.valid_from}` : ''}`,
                    )
                    .join(', '),
                ]),
              ]),
        );
      }),
  );
}

/** @returns null for `none`, which withdraws the price */
function parsePrice(text: string, currency: string): bigint | null {
  if (text === 'none') return null;
  const amountMinor = parseMinor(text, currency, 'AMOUNT');
  if (amountMinor > 0n) return amountMinor;
  throw new UsageFault(
    'bad_price',
    `AMOUNT: "${text}" is not a price; expected an amount above 0, or none to withdraw the price`,
  );
}

function buildSetPriceCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'set-price <PLAN> <AMOUNT>',
    'set the price of a period, from now or from a later time',
  )
    .addHelpText('after', '\nAMOUNT none withdraws the price: the period is no longer sold.')
    .requiredOption('--days <N>', 'set the price of a period of N days', parseDays)
    .option(
      '--currency <CODE>',
      'set the price in this currency [that of the configuration]',
      parseCurrencyCode,
    )
    .option('--from <ISO>', 'set the start of the price [now]', parseTime)
    .action((plan: string, amountText: string, options: PriceOptions) =>
      withDatabase(open, options, async ({ db, config }) => {
        const currency = options.currency ?? config.file.currency;
        const amountMinor = parsePrice(amountText, currency);
        const result = await inTransaction(db, async (tx) => {
          const now = await readTrustedTime(tx);
          const from = options.from ?? now;
          if (from < now) {
            throw refused(
              'past_price',
              `--from: "${isoTime(from)}" is not a future time; expected a time after ${isoTime(now)}`,
            );
          }
          if (amountMinor !== null) await requirePeriodFitsWindow(tx, options.days);
          const price = { plan, periodDays: options.days, currency, amountMinor };
          await setPrice(tx, price, from, now);
          const detail = {
            plan,
            period_days: options.days,
            currency,
            amount_minor: amountMinor,
            valid_from: isoTime(from),
          };
          await recordEvents(
            tx,
            [{ customerId: null, subject: 'catalog', action: 'set_price', detail }],
            'cli',
            now,
          );
          return {
            plan,
            period_days: options.days,
            amount: amountMinor === null ? null : majorUnits(amountMinor, currency),
            currency,
            valid_from: isoTime(from),
            ...(amountMinor === null
              ? { affected: await readPriceWithdrawal(tx, plan, options.days, currency) }
              : {}),
          };
        });
        await runPriceReviews(db);
        printResult(options, result, () => {
          const price = amountMinor === null ? 'no price' : moneyText(amountMinor, currency);
          const line = `${plan}, ${formatCount(options.days, 'day')}: ${price} from ${result.valid_from}`;
          return result.affected === undefined
            ? line
            : `${line}\n${formatWithdrawal(result.affected)}`;
        });
      }),
    );
}
