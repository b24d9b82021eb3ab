import { Command } from 'commander';
import { setPrice } from '../catalog/apply.ts';
import { listPlans } from '../catalog/list.ts';
import { refuseShortPeriod } from '../catalog/renewal-window.ts';
import { readPriceWithdrawal, withdrawalText } from '../catalog/withdrawn.ts';
import { readClock } from '../db/clock.ts';
import { inTransaction } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { refused, UsageFault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { majorUnits, moneyText, parseMinor } from '../kernel/money.ts';
import { finishPriceReviews } from '../subscription/price-reviews.ts';
import { record } from '../subscription/timeline.ts';
import { currencyCode, days, time } from './arguments.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';

interface PriceOptions extends CommonOptions {
  readonly days: number;
  readonly currency?: string;
  readonly from?: Instant;
}

/** `perennial plan list|set-price`. */
export function planCommand(open: OpenBooks): Command {
  return new Command('plan')
    .description('what is on sale')
    .addCommand(listCommand(open))
    .addCommand(setPriceCommand(open));
}

function listCommand(open: OpenBooks): Command {
  return command('list', 'plans, their groups, and their prices now and to come').action(
    (options: CommonOptions) =>
      withBooks(open, options, async ({ db }) => {
        const plans = await listPlans(db, await readClock(db));
        print(options, plans, () =>
          plans.length === 0
            ? 'no plans yet; "perennial apply FILE" adds them'
            : table([
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

/** Null: `none`, the price is withdrawn. */
function readPrice(text: string, currency: string): bigint | null {
  if (text === 'none') return null;
  const amountMinor = parseMinor(text, currency, 'AMOUNT');
  if (amountMinor > 0n) return amountMinor;
  throw new UsageFault(
    'bad_price',
    `AMOUNT: ${text} is not a price; it must be above 0, or none to withdraw the price`,
  );
}

function setPriceCommand(open: OpenBooks): Command {
  return command('set-price <PLAN> <AMOUNT>', 'the price of a period, from now or from a time on')
    .addHelpText('after', '\nAMOUNT none withdraws the price: the period is no longer sold.')
    .requiredOption('--days <N>', 'the length of the period', days)
    .option('--currency <CODE>', "default: the configuration's", currencyCode)
    .option('--from <ISO>', 'from then on (default: now)', time)
    .action((plan: string, amountText: string, options: PriceOptions) =>
      withBooks(open, options, async ({ db, config }) => {
        const currency = options.currency ?? config.file.currency;
        const amountMinor = readPrice(amountText, currency);
        const set = await inTransaction(db, async (tx) => {
          const now = await readTrustedTime(tx);
          const from = options.from ?? now;
          if (from < now) {
            throw refused(
              'past_price',
              `--from: ${isoTime(from)} is past; a price can't change what was charged`,
            );
          }
          if (amountMinor !== null) await refuseShortPeriod(tx, options.days);
          const price = { plan, periodDays: options.days, currency, amountMinor };
          await setPrice(tx, price, from, now);
          const detail = {
            plan,
            period_days: options.days,
            currency,
            amount_minor: amountMinor,
            valid_from: isoTime(from),
          };
          await record(
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
        await finishPriceReviews(db);
        print(options, set, () => {
          const price = amountMinor === null ? 'no price' : moneyText(amountMinor, currency);
          const line = `${plan}, ${options.days} days: ${price} from ${set.valid_from}`;
          return set.affected === undefined ? line : `${line}\n${withdrawalText(set.affected)}`;
        });
      }),
    );
}
