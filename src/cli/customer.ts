import { Command } from 'commander';
import type { Db } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { newIdempotencyKey, type PeriodId, type SubscriptionId } from '../kernel/ids.ts';
import { adjust, topUp } from '../subscription/balance.ts';
import { purchase } from '../subscription/buying.ts';
import type { Answer, Call } from '../subscription/command.ts';
import { createCustomer, setCustomer } from '../subscription/customers.ts';
import { grant, revoke, setAutoRenew } from '../subscription/granting.ts';
import { changePlan } from '../subscription/plan-change.ts';
import { currencyOf, portraitOf } from '../subscription/portrait.ts';
import { refund } from '../subscription/refunding.ts';
import {
  amount,
  days,
  given,
  onOff,
  rowId,
  subscriptionId,
  telegramId,
  whole,
} from './arguments.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  print,
  withBooks,
} from './frame.ts';
import { portraitText } from './portrait-text.ts';

// `perennial customer …`: each calls one function of subscription/. A customer is named by the
// Telegram id, money is in major units.

interface KeyOption extends CommonOptions {
  readonly key?: string;
}

interface SubscriptionOption extends KeyOption {
  readonly subscription?: SubscriptionId;
}

const call = (db: Db, options: KeyOption): Call => ({
  db,
  actor: 'cli',
  key: options.key ?? newIdempotencyKey(),
});

/** A command that changes the books and answers with one object. */
function changing<O extends KeyOption>(
  open: OpenBooks,
  build: Command,
  act: (books: OpenedBooks, options: O, ...positional: string[]) => Promise<Answer>,
): Command {
  return build
    .option(
      '--key <KEY>',
      'idempotency key: the same request again does nothing and answers the same',
    )
    .action(async (...received: unknown[]) => {
      const options = received.at(-2) as O;
      const positional = received.slice(0, -2) as string[];
      await withBooks(open, options, async (books) => {
        const answer = await act(books, options, ...positional);
        print(options, answer, () => answerText(answer));
      });
    });
}

const answerText = (answer: Answer): string =>
  Object.entries(answer)
    .map(([name, value]) => `${name.padEnd(16)} ${value ?? '-'}`)
    .join('\n');

const tg = (text: string | undefined): bigint => telegramId(text ?? '');
const withSubscription = (build: Command): Command =>
  build.option('--subscription <ID>', 'which one, if there are several', subscriptionId);

export function customerCommand(open: OpenBooks): Command {
  return new Command('customer')
    .description('customers: their money, subscriptions and rights')
    .addCommand(create(open))
    .addCommand(set(open))
    .addCommand(show(open))
    .addCommand(topUpCommand(open))
    .addCommand(purchaseCommand(open))
    .addCommand(autoRenew(open))
    .addCommand(changePlanCommand(open))
    .addCommand(refundCommand(open))
    .addCommand(adjustCommand(open))
    .addCommand(grantCommand(open))
    .addCommand(revokeCommand(open));
}

interface Particulars extends KeyOption {
  readonly locale?: string;
  readonly timeZone?: string;
  readonly currency?: string;
  readonly vip?: boolean;
  readonly discount?: number;
  readonly newSubToken?: boolean;
  readonly reachable?: boolean;
}

const withParticulars = (build: Command): Command =>
  build
    .option('--locale <CODE>', 'language, as en or ru')
    .option('--time-zone <ZONE>', 'IANA zone, as Europe/Moscow')
    .option('--currency <CODE>', 'as RUB')
    .option('--vip <on|off>', 'pays the VIP price', onOff)
    .option('--discount <PERCENT>', "personal discount; doesn't add to the VIP's", whole(0, 100));

const particulars = (options: Particulars) =>
  given({
    locale: options.locale,
    timeZone: options.timeZone,
    currency: options.currency,
    vip: options.vip,
    discountPercent: options.discount,
    reachable: options.reachable,
  });

function create(open: OpenBooks): Command {
  const build = withParticulars(command('create <TG>', 'add a customer without money or rights'));
  return changing<Particulars>(open, build, ({ db, config }, options, id) =>
    createCustomer(call(db, options), {
      ...particulars(options),
      currency: options.currency ?? config.file.currency,
      telegramId: tg(id),
    }),
  );
}

function set(open: OpenBooks): Command {
  const build = withParticulars(command('set <TG>', 'change who a customer is'))
    .option('--reachable <on|off>', 'whether messages get through', onOff)
    .option('--new-sub-token', 'a new secret for the subscription URL; the old one ends');
  return changing<Particulars>(open, build, ({ db }, options, id) =>
    setCustomer(call(db, options), {
      ...particulars(options),
      ...given({ newSubToken: options.newSubToken }),
      telegramId: tg(id),
    }),
  );
}

interface ShowOptions extends CommonOptions {
  readonly rows: number;
}

function show(open: OpenBooks): Command {
  return command('show <TG>', 'all that the books say of a customer')
    .option(
      '--rows <N>',
      'how many of the latest ledger entries, notices, events',
      whole(0, 10_000),
      10,
    )
    .action((id: string, options: ShowOptions) =>
      withBooks(open, options, async ({ db }) => {
        const portrait = await portraitOf(db, tg(id), options.rows);
        print(options, portrait, () => portraitText(portrait));
      }),
    );
}

interface TopUpOptions extends KeyOption {
  readonly provider?: string;
  readonly ref?: string;
}

function topUpCommand(open: OpenBooks): Command {
  const build = command('top-up <TG> <AMOUNT>', 'credit a balance; wakes auto-renewal')
    .option('--provider <P>', 'who took the payment')
    .option('--ref <R>', 'the payment there: credited once, whatever the key');
  return changing<TopUpOptions>(open, build, async ({ db }, options, id, text = '') => {
    const telegramId = tg(id);
    return topUp(call(db, options), {
      telegramId,
      amountMinor: amount(text, await currencyOf(db, telegramId), 'AMOUNT'),
      ...given({ provider: options.provider, providerRef: options.ref }),
    });
  });
}

function adjustCommand(open: OpenBooks): Command {
  const build = command(
    'adjust <TG> <AMOUNT>',
    'correct a balance by hand; -- before a negative amount',
  ).requiredOption('--reason <TEXT>', 'why; it stands in the timeline');
  return changing<KeyOption & { reason: string }>(
    open,
    build,
    async ({ db }, options, id, text = '') => {
      const telegramId = tg(id);
      const amountMinor = amount(text, await currencyOf(db, telegramId), 'AMOUNT');
      return adjust(call(db, options), { telegramId, amountMinor, reason: options.reason });
    },
  );
}

interface PurchaseOptions extends SubscriptionOption {
  readonly plan: string;
  readonly days: number;
  readonly new?: boolean;
  readonly autoRenew?: boolean;
}

function purchaseCommand(open: OpenBooks): Command {
  const build = withSubscription(command('purchase <TG>', 'buy a period from the balance'))
    .requiredOption('--plan <P>', 'which plan')
    .requiredOption('--days <N>', 'how long', days)
    .option('--new', 'another subscription, whatever there is')
    .option('--auto-renew <on|off>', 'of a new one (default: on)', onOff);
  return changing<PurchaseOptions>(open, build, ({ db }, options, id) => {
    if (options.new === true && options.subscription !== undefined) {
      throw new UsageFault(
        'two_targets',
        '--new and --subscription: only one of them can be meant',
      );
    }
    return purchase(call(db, options), {
      telegramId: tg(id),
      plan: options.plan,
      periodDays: options.days,
      ...given({
        subscriptionId: options.subscription,
        isNew: options.new,
        autoRenew: options.autoRenew,
      }),
    });
  });
}

function autoRenew(open: OpenBooks): Command {
  const build = withSubscription(command('auto-renew <TG> <on|off>', "the customer's switch"));
  return changing<SubscriptionOption>(open, build, ({ db }, options, id, text = '') =>
    setAutoRenew(call(db, options), {
      telegramId: tg(id),
      on: onOff(text),
      ...given({ subscriptionId: options.subscription }),
    }),
  );
}

interface ChangeOptions extends SubscriptionOption {
  readonly plan: string;
  readonly days: number;
  readonly immediately?: boolean;
  readonly forfeit?: boolean;
}

function changePlanCommand(open: OpenBooks): Command {
  const build = withSubscription(
    command('change-plan <TG>', 'another plan or period: at the next renewal, or now'),
  )
    .requiredOption('--plan <P>', 'which plan')
    .requiredOption('--days <N>', 'how long its periods are', days)
    .option(
      '--immediately',
      'now: unused time is credited, a new period starts (default: at the next renewal)',
    )
    .option('--forfeit', 'with --immediately: give up time that was a gift or imported');
  return changing<ChangeOptions>(open, build, ({ db }, options, id) =>
    changePlan(call(db, options), {
      telegramId: tg(id),
      plan: options.plan,
      periodDays: options.days,
      when: options.immediately === true ? 'now' : 'next',
      ...given({ subscriptionId: options.subscription, forfeit: options.forfeit }),
    }),
  );
}

interface RefundOptions extends KeyOption {
  readonly period: bigint;
  readonly unused?: boolean;
  readonly keepAutoRenew?: boolean;
}

function refundCommand(open: OpenBooks): Command {
  const build = command('refund <TG>', 'give the money of a period back to the balance')
    .requiredOption('--period <ID>', 'which one; "customer show" lists them', rowId)
    .option('--unused', 'only the part that is not used yet (default: whole)')
    .option('--keep-auto-renew', 'leave auto-renewal on: it may buy the period again');
  return changing<RefundOptions>(open, build, ({ db }, options, id) =>
    refund(call(db, options), {
      telegramId: tg(id),
      periodId: options.period as PeriodId,
      part: options.unused === true ? 'unused' : 'whole',
      ...given({ keepAutoRenew: options.keepAutoRenew }),
    }),
  );
}

interface GrantOptions extends SubscriptionOption {
  readonly days: number;
  readonly plan?: string;
}

function grantCommand(open: OpenBooks): Command {
  const build = withSubscription(command('grant <TG>', 'a period that costs nothing'))
    .requiredOption('--days <N>', 'how long', days)
    .option('--plan <P>', 'a new subscription to this plan, instead of extending one');
  return changing<GrantOptions>(open, build, ({ db }, options, id) => {
    if (options.plan !== undefined && options.subscription !== undefined) {
      throw new UsageFault(
        'two_targets',
        '--plan and --subscription: only one of them can be meant',
      );
    }
    return grant(call(db, options), {
      telegramId: tg(id),
      days: options.days,
      ...given({ subscriptionId: options.subscription, newPlan: options.plan }),
    });
  });
}

interface RevokeOptions extends SubscriptionOption {
  readonly reason: string;
  readonly refund?: string;
}

function revokeCommand(open: OpenBooks): Command {
  const build = withSubscription(
    command('revoke <TG>', 'end the access now; moves no money unless asked'),
  )
    .option('--reason <TEXT>', 'why; it stands in the timeline', 'by the operator')
    .option('--refund <whole|unused>', 'give back the periods that are not over');
  return changing<RevokeOptions>(open, build, ({ db }, options, id) => {
    const part = options.refund;
    if (part !== undefined && part !== 'whole' && part !== 'unused') {
      throw new UsageFault('bad_refund', `--refund: "${part}" is neither whole nor unused`);
    }
    return revoke(call(db, options), {
      telegramId: tg(id),
      reason: options.reason,
      ...given({ subscriptionId: options.subscription, refund: part }),
    });
  });
}
