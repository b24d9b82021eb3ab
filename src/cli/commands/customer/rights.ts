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

// `perennial customer …`: commands on the subscriptions of a customer.

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
    .requiredOption('--plan <P>', 'buy this plan')
    .requiredOption('--days <N>', 'buy a period of N days', parseDays)
    .option('--new', 'create another subscription [extend, convert or revive]')
    .option(
      '--auto-renew <on|off>',
      'set auto-renewal of a new or converted subscription [on]',
      parseOnOff,
    )
    .option('--pay <AMOUNT>', 'credit this payment in the same transaction [no payment]');
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
  const build = buildCommand(
    'trial <TG>',
    'start a free trial, once, for a customer without an earlier subscription',
  );
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
    buildCommand('auto-renew <TG> <on|off>', 'set auto-renewal of a subscription'),
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
    buildCommand('change-plan <TG>', 'change plan or length, at the next renewal or now'),
  )
    .requiredOption('--plan <P>', 'change to this plan')
    .requiredOption('--days <N>', 'change to periods of N days', parseDays)
    .option(
      '--immediately',
      'credit the unused time and start a new period now [at the next renewal]',
    )
    .option('--forfeit', 'drop granted or imported time, with --immediately [refused]');
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
    .requiredOption('--period <ID>', 'refund this period, as "customer show" lists it', parseRowId)
    .option('--unused', 'refund only the unused part [the whole price]')
    .option(
      '--keep-auto-renew',
      'leave auto-renewal on; it may buy the period again [switched off]',
    )
    .option('--payout', 'take the money from the balance at once, to pay it out [it stays]');
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
  const build = addSubscriptionOption(buildCommand('grant <TG>', 'give a free period'))
    .requiredOption('--days <N>', 'give N days', parseDays)
    .option('--plan <P>', 'create a new subscription to this plan [extend or revive]');
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
    buildCommand('revoke <TG>', 'end access now, permanently; move money only with --refund'),
  )
    .option('--reason <TEXT>', 'record this reason in the timeline', 'by the operator')
    .option('--refund <whole|unused>', 'refund the bought periods that are not over [no refund]');
  return buildChangeCommand<RevokeOptions>(open, addEndOption(build), ({ db }, options, id) => {
    const part = options.refund;
    if (part !== undefined && part !== 'whole' && part !== 'unused') {
      throw new UsageFault(
        'bad_refund',
        `--refund: "${part}" is not a part of a period; expected whole or unused`,
      );
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
    buildCommand('reissue <TG>', 'replace the credential; the old one is removed from every node'),
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
