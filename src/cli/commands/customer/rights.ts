import type { Command } from 'commander';
import { UsageFault } from '../../../kernel/faults.ts';
import type { PeriodId } from '../../../kernel/ids.ts';
import { setAutoRenew } from '../../../subscription/commands/auto-renew.ts';
import { changePlan } from '../../../subscription/commands/change-plan.ts';
import { grant } from '../../../subscription/commands/grant.ts';
import { purchase } from '../../../subscription/commands/purchase.ts';
import { refund } from '../../../subscription/commands/refund.ts';
import { reissue } from '../../../subscription/commands/reissue.ts';
import { revoke } from '../../../subscription/commands/revoke.ts';
import { startTrial } from '../../../subscription/commands/trial.ts';
import { omitUndefined, parseDays, parseOnOff, parseRowId } from '../../arguments.ts';
import { buildCommand, type CommandDatabase, type DatabaseOpener } from '../../command.ts';
import { addPaymentOptions, type PaymentOptions, readPayment } from '../../payment-options.ts';
import {
  addSubscriptionOption,
  buildChangeCommand,
  createCaller,
  type KeyOption,
  requireTelegramId,
  type SubscriptionOption,
} from './call.ts';
import {
  addEndOption,
  addPriceOption,
  type EndOption,
  type PriceOption,
  readCurrentAccess,
  readSeenPrice,
  toEndCondition,
} from './conditions.ts';
import { addDryRunOption, type PreviewOption, runOrPreview } from './reversals.ts';

// `perennial customer …`: what a customer buys, gets, gives back and loses.

interface PurchaseOptions extends SubscriptionOption, PaymentOptions, EndOption, PriceOption {
  readonly pay?: string;
  readonly plan: string;
  readonly days: number;
  readonly new?: boolean;
  readonly autoRenew?: boolean;
}

export function buildPurchaseCommand(open: DatabaseOpener): Command {
  const build = addSubscriptionOption(
    buildCommand('purchase <TG>', 'buy a period from the balance'),
  )
    .requiredOption('--plan <P>', 'which plan')
    .requiredOption('--days <N>', 'how long', parseDays)
    .option('--new', 'another subscription, whatever there is')
    .option(
      '--auto-renew <on|off>',
      'of a new or converted one; an extended one keeps its own (default: on)',
      parseOnOff,
    )
    .option('--pay <AMOUNT>', 'a payment that is credited in the same transaction');
  const act = async ({ db }: CommandDatabase, options: PurchaseOptions, id?: string) => {
    const telegramId = requireTelegramId(id);
    const { pay } = options;
    const payment = pay === undefined ? {} : await readPayment(db, telegramId, pay, options);
    return purchase(createCaller(db, options), {
      telegramId,
      ...payment,
      ...(await readSeenPrice(db, telegramId, options)),
      ...toEndCondition(options),
      plan: options.plan,
      periodDays: options.days,
      ...omitUndefined({
        subscriptionId: options.subscription,
        isNew: options.new,
        autoRenew: options.autoRenew,
      }),
    });
  };
  const withOptions = addPaymentOptions(addPriceOption(addEndOption(build)));
  return buildChangeCommand<PurchaseOptions>(open, withOptions, act, readCurrentAccess);
}

export function buildTrialCommand(open: DatabaseOpener): Command {
  const build = buildCommand('trial <TG>', 'some days for nothing, once ever; for newcomers');
  return buildChangeCommand<KeyOption>(
    open,
    build,
    ({ db }, options, id) =>
      startTrial(createCaller(db, options), { telegramId: requireTelegramId(id) }),
    readCurrentAccess,
  );
}

export function buildAutoRenewCommand(open: DatabaseOpener): Command {
  const build = addSubscriptionOption(
    buildCommand('auto-renew <TG> <on|off>', "the customer's switch"),
  );
  return buildChangeCommand<SubscriptionOption & EndOption>(
    open,
    addEndOption(build),
    ({ db }, options, id, text = '') =>
      setAutoRenew(createCaller(db, options), {
        telegramId: requireTelegramId(id),
        on: parseOnOff(text),
        ...toEndCondition(options),
        ...omitUndefined({ subscriptionId: options.subscription }),
      }),
  );
}

interface ChangeOptions extends SubscriptionOption, EndOption, PriceOption {
  readonly plan: string;
  readonly days: number;
  readonly immediately?: boolean;
  readonly forfeit?: boolean;
}

export function buildChangePlanCommand(open: DatabaseOpener): Command {
  const build = addSubscriptionOption(
    buildCommand('change-plan <TG>', 'another plan or period: at the next renewal, or now'),
  )
    .requiredOption('--plan <P>', 'which plan')
    .requiredOption('--days <N>', 'how long its periods are', parseDays)
    .option(
      '--immediately',
      'now: unused time is credited, a new period starts (default: at the next renewal)',
    )
    .option('--forfeit', 'with --immediately: give up time that was a gift or imported');
  return buildChangeCommand<ChangeOptions>(
    open,
    addPriceOption(addEndOption(build)),
    async ({ db }, options, id) =>
      changePlan(createCaller(db, options), {
        telegramId: requireTelegramId(id),
        ...(await readSeenPrice(db, requireTelegramId(id), options)),
        ...toEndCondition(options),
        plan: options.plan,
        periodDays: options.days,
        when: options.immediately === true ? 'now' : 'next',
        ...omitUndefined({ subscriptionId: options.subscription, forfeit: options.forfeit }),
      }),
  );
}

interface RefundOptions extends PreviewOption, EndOption {
  readonly period: bigint;
  readonly unused?: boolean;
  readonly keepAutoRenew?: boolean;
  readonly payout?: boolean;
}

export function buildRefundCommand(open: DatabaseOpener): Command {
  const build = addDryRunOption(
    buildCommand('refund <TG>', 'refund a period to the balance, or take a grant back'),
  )
    .requiredOption('--period <ID>', 'which one; "customer show" lists them', parseRowId)
    .option('--unused', 'only the part that is not used yet (default: whole)')
    .option('--keep-auto-renew', 'leave auto-renewal on: it may buy the period again')
    .option('--payout', 'the money leaves the balance at once, to be paid out');
  return buildChangeCommand<RefundOptions>(open, addEndOption(build), (database, options, id) =>
    runOrPreview(database, options, (caller) =>
      refund(caller, {
        telegramId: requireTelegramId(id),
        periodId: options.period as PeriodId,
        part: options.unused === true ? 'unused' : 'whole',
        ...toEndCondition(options),
        ...omitUndefined({ keepAutoRenew: options.keepAutoRenew, payout: options.payout }),
      }),
    ),
  );
}

interface GrantOptions extends SubscriptionOption, EndOption {
  readonly days: number;
  readonly plan?: string;
}

export function buildGrantCommand(open: DatabaseOpener): Command {
  const build = addSubscriptionOption(buildCommand('grant <TG>', 'a period that costs nothing'))
    .requiredOption('--days <N>', 'how long', parseDays)
    .option('--plan <P>', 'a new subscription to this plan, instead of extending one');
  return buildChangeCommand<GrantOptions>(open, addEndOption(build), ({ db }, options, id) =>
    grant(createCaller(db, options), {
      telegramId: requireTelegramId(id),
      days: options.days,
      ...toEndCondition(options),
      ...omitUndefined({ subscriptionId: options.subscription, newPlan: options.plan }),
    }),
  );
}

interface RevokeOptions extends SubscriptionOption, EndOption {
  readonly reason: string;
  readonly refund?: string;
}

export function buildRevokeCommand(open: DatabaseOpener): Command {
  const build = addSubscriptionOption(
    buildCommand('revoke <TG>', 'end the access now; moves no money unless asked'),
  )
    .option('--reason <TEXT>', 'why; it stands in the timeline', 'by the operator')
    .option('--refund <whole|unused>', 'give back the periods that are not over');
  return buildChangeCommand<RevokeOptions>(open, addEndOption(build), ({ db }, options, id) => {
    const part = options.refund;
    if (part !== undefined && part !== 'whole' && part !== 'unused') {
      throw new UsageFault('bad_refund', `--refund: "${part}" is neither whole nor unused`);
    }
    return revoke(createCaller(db, options), {
      telegramId: requireTelegramId(id),
      reason: options.reason,
      ...toEndCondition(options),
      ...omitUndefined({ subscriptionId: options.subscription, refund: part }),
    });
  });
}

export function buildReissueCommand(open: DatabaseOpener): Command {
  const build = addSubscriptionOption(
    buildCommand('reissue <TG>', 'a new credential; the old one is taken off every node'),
  );
  return buildChangeCommand<SubscriptionOption>(
    open,
    build,
    ({ db }, options, id) =>
      reissue(createCaller(db, options), {
        telegramId: requireTelegramId(id),
        ...omitUndefined({ subscriptionId: options.subscription }),
      }),
    readCurrentAccess,
  );
}
