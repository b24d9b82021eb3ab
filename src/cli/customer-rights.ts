import type { Command } from 'commander';
import { UsageFault } from '../kernel/faults.ts';
import type { PeriodId } from '../kernel/ids.ts';
import { purchase } from '../subscription/buying.ts';
import { grant, revoke, setAutoRenew } from '../subscription/granting.ts';
import { changePlan } from '../subscription/plan-change.ts';
import { refund } from '../subscription/refunding.ts';
import { reissue } from '../subscription/reissuing.ts';
import { startTrial } from '../subscription/trial.ts';
import { days, given, onOff, rowId } from './arguments.ts';
import {
  call,
  changing,
  type KeyOption,
  type SubscriptionOption,
  tg,
  withSubscription,
} from './customer-call.ts';
import {
  accessNow,
  type EndOption,
  endOf,
  type PriceOption,
  priceOf,
  withEnd,
  withPrice,
} from './customer-conditions.ts';
import { type PreviewOption, runOrPreview, withPreview } from './customer-reversals.ts';
import { command, type OpenBooks, type OpenedBooks } from './frame.ts';
import { type PaymentOptions, readPayment, withReference } from './payment-options.ts';

// `perennial customer …`: what a customer buys, gets, gives back and loses.

interface PurchaseOptions extends SubscriptionOption, PaymentOptions, EndOption, PriceOption {
  readonly pay?: string;
  readonly plan: string;
  readonly days: number;
  readonly new?: boolean;
  readonly autoRenew?: boolean;
}

export function purchaseCommand(open: OpenBooks): Command {
  const build = withSubscription(command('purchase <TG>', 'buy a period from the balance'))
    .requiredOption('--plan <P>', 'which plan')
    .requiredOption('--days <N>', 'how long', days)
    .option('--new', 'another subscription, whatever there is')
    .option(
      '--auto-renew <on|off>',
      'of a new or converted one; an extended one keeps its own (default: on)',
      onOff,
    )
    .option('--pay <AMOUNT>', 'a payment that is credited in the same transaction');
  const act = async ({ db }: OpenedBooks, options: PurchaseOptions, id?: string) => {
    const telegramId = tg(id);
    const { pay } = options;
    const payment = pay === undefined ? {} : await readPayment(db, telegramId, pay, options);
    return purchase(call(db, options), {
      telegramId,
      ...payment,
      ...(await priceOf(db, telegramId, options)),
      ...endOf(options),
      plan: options.plan,
      periodDays: options.days,
      ...given({
        subscriptionId: options.subscription,
        isNew: options.new,
        autoRenew: options.autoRenew,
      }),
    });
  };
  const whole = withReference(withPrice(withEnd(build)));
  return changing<PurchaseOptions>(open, whole, act, accessNow);
}

export function trialCommand(open: OpenBooks): Command {
  const build = command('trial <TG>', 'some days for nothing, once ever; for newcomers');
  return changing<KeyOption>(
    open,
    build,
    ({ db }, options, id) => startTrial(call(db, options), { telegramId: tg(id) }),
    accessNow,
  );
}

export function autoRenew(open: OpenBooks): Command {
  const build = withSubscription(command('auto-renew <TG> <on|off>', "the customer's switch"));
  return changing<SubscriptionOption & EndOption>(
    open,
    withEnd(build),
    ({ db }, options, id, text = '') =>
      setAutoRenew(call(db, options), {
        telegramId: tg(id),
        on: onOff(text),
        ...endOf(options),
        ...given({ subscriptionId: options.subscription }),
      }),
  );
}

interface ChangeOptions extends SubscriptionOption, EndOption, PriceOption {
  readonly plan: string;
  readonly days: number;
  readonly immediately?: boolean;
  readonly forfeit?: boolean;
}

export function changePlanCommand(open: OpenBooks): Command {
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
  return changing<ChangeOptions>(open, withPrice(withEnd(build)), async ({ db }, options, id) =>
    changePlan(call(db, options), {
      telegramId: tg(id),
      ...(await priceOf(db, tg(id), options)),
      ...endOf(options),
      plan: options.plan,
      periodDays: options.days,
      when: options.immediately === true ? 'now' : 'next',
      ...given({ subscriptionId: options.subscription, forfeit: options.forfeit }),
    }),
  );
}

interface RefundOptions extends PreviewOption, EndOption {
  readonly period: bigint;
  readonly unused?: boolean;
  readonly keepAutoRenew?: boolean;
  readonly payout?: boolean;
}

export function refundCommand(open: OpenBooks): Command {
  const build = withPreview(
    command('refund <TG>', 'refund a period to the balance, or take a grant back'),
  )
    .requiredOption('--period <ID>', 'which one; "customer show" lists them', rowId)
    .option('--unused', 'only the part that is not used yet (default: whole)')
    .option('--keep-auto-renew', 'leave auto-renewal on: it may buy the period again')
    .option('--payout', 'the money leaves the balance at once, to be paid out');
  return changing<RefundOptions>(open, withEnd(build), (books, options, id) =>
    runOrPreview(books, options, (asked) =>
      refund(asked, {
        telegramId: tg(id),
        periodId: options.period as PeriodId,
        part: options.unused === true ? 'unused' : 'whole',
        ...endOf(options),
        ...given({ keepAutoRenew: options.keepAutoRenew, payout: options.payout }),
      }),
    ),
  );
}

interface GrantOptions extends SubscriptionOption, EndOption {
  readonly days: number;
  readonly plan?: string;
}

export function grantCommand(open: OpenBooks): Command {
  const build = withSubscription(command('grant <TG>', 'a period that costs nothing'))
    .requiredOption('--days <N>', 'how long', days)
    .option('--plan <P>', 'a new subscription to this plan, instead of extending one');
  return changing<GrantOptions>(open, withEnd(build), ({ db }, options, id) =>
    grant(call(db, options), {
      telegramId: tg(id),
      days: options.days,
      ...endOf(options),
      ...given({ subscriptionId: options.subscription, newPlan: options.plan }),
    }),
  );
}

interface RevokeOptions extends SubscriptionOption, EndOption {
  readonly reason: string;
  readonly refund?: string;
}

export function revokeCommand(open: OpenBooks): Command {
  const build = withSubscription(
    command('revoke <TG>', 'end the access now; moves no money unless asked'),
  )
    .option('--reason <TEXT>', 'why; it stands in the timeline', 'by the operator')
    .option('--refund <whole|unused>', 'give back the periods that are not over');
  return changing<RevokeOptions>(open, withEnd(build), ({ db }, options, id) => {
    const part = options.refund;
    if (part !== undefined && part !== 'whole' && part !== 'unused') {
      throw new UsageFault('bad_refund', `--refund: "${part}" is neither whole nor unused`);
    }
    return revoke(call(db, options), {
      telegramId: tg(id),
      reason: options.reason,
      ...endOf(options),
      ...given({ subscriptionId: options.subscription, refund: part }),
    });
  });
}

export function reissueCommand(open: OpenBooks): Command {
  const build = withSubscription(
    command('reissue <TG>', 'a new credential; the old one is taken off every node'),
  );
  return changing<SubscriptionOption>(
    open,
    build,
    ({ db }, options, id) =>
      reissue(call(db, options), {
        telegramId: tg(id),
        ...given({ subscriptionId: options.subscription }),
      }),
    accessNow,
  );
}
