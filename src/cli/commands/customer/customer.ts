import { Command } from 'commander';
import { readSubscriptionNodes } from '../../../access/customer-nodes.ts';
import { readCustomerLinks } from '../../../catalog/links.ts';
import { adjustBalance } from '../../../subscription/commands/adjust.ts';
import { createCustomer, setCustomer } from '../../../subscription/commands/customer.ts';
import { topUp } from '../../../subscription/commands/top-up.ts';
import { readCurrency, readCustomerView } from '../../../subscription/queries/customer-view.ts';
import { requireOneCustomer } from '../../../subscription/queries/lookup.ts';
import {
  createWholeParser,
  omitUndefined,
  parseAmountOption,
  parseCurrencyCode,
  parseLocaleCode,
  parseOnOff,
  parseTimeZone,
} from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatCustomerNodes, formatCustomerView } from '../../output/customer-text.ts';
import { addPaymentOptions, type PaymentOptions, readPayment } from '../../payment-options.ts';
import { buildBlockCommand, buildUnblockCommand } from './block.ts';
import { buildChangeCommand, createCaller, type KeyOption, requireTelegramId } from './call.ts';
import { formatLinks } from './links.ts';
import { buildCustomerListCommand, buildFindCommand } from './lists.ts';
import {
  buildChargebackCommand,
  buildMovePaymentCommand,
  buildWaiveClaimCommand,
} from './reversals.ts';
import {
  buildAutoRenewCommand,
  buildChangePlanCommand,
  buildGrantCommand,
  buildPurchaseCommand,
  buildRefundCommand,
  buildReissueCommand,
  buildRevokeCommand,
  buildTrialCommand,
} from './rights.ts';

// `perennial customer …`: each command calls one function of subscription/. A Telegram id names a
// customer. Money is in major units.

export function buildCustomerCommand(open: DatabaseOpener): Command {
  return new Command('customer')
    .addCommand(buildCustomerListCommand(open))
    .addCommand(buildFindCommand(open))
    .addCommand(buildCreateCommand(open))
    .addCommand(buildSetCommand(open))
    .addCommand(buildShowCommand(open))
    .addCommand(buildTopUpCommand(open))
    .addCommand(buildPurchaseCommand(open))
    .addCommand(buildTrialCommand(open))
    .addCommand(buildAutoRenewCommand(open))
    .addCommand(buildChangePlanCommand(open))
    .addCommand(buildRefundCommand(open))
    .addCommand(buildChargebackCommand(open))
    .addCommand(buildMovePaymentCommand(open))
    .addCommand(buildWaiveClaimCommand(open))
    .addCommand(buildAdjustCommand(open))
    .addCommand(buildGrantCommand(open))
    .addCommand(buildRevokeCommand(open))
    .addCommand(buildReissueCommand(open))
    .addCommand(buildBlockCommand(open))
    .addCommand(buildUnblockCommand(open));
}

interface ProfileOptions extends KeyOption {
  readonly locale?: string;
  readonly timeZone?: string;
  readonly currency?: string;
  readonly vip?: boolean;
  readonly discount?: number;
  readonly newSubToken?: boolean;
  readonly reachable?: boolean;
}

/** The defaults of a new customer; an existing one keeps its values. */
const newDefaults = {
  locale: 'en',
  timeZone: 'UTC',
  currency: 'that of the configuration',
  vip: 'off',
  discount: '0',
};
const unchanged = 'unchanged';
const keptDefaults: typeof newDefaults = {
  locale: unchanged,
  timeZone: unchanged,
  currency: unchanged,
  vip: unchanged,
  discount: unchanged,
};

const addProfileOptions = (build: Command, defaults: typeof newDefaults): Command =>
  build
    .option(
      '--locale <CODE>',
      `set the language, like en or ru [${defaults.locale}]`,
      parseLocaleCode,
    )
    .option(
      '--time-zone <ZONE>',
      `set the IANA time zone, like Europe/Moscow [${defaults.timeZone}]`,
      parseTimeZone,
    )
    .option(
      '--currency <CODE>',
      `set the currency, like RUB [${defaults.currency}]`,
      parseCurrencyCode,
    )
    .option(
      '--vip <on|off>',
      `set whether the customer pays the VIP price [${defaults.vip}]`,
      parseOnOff,
    )
    .option(
      '--discount <PERCENT>',
      `set the personal discount; it is not added to the VIP discount [${defaults.discount}]`,
      createWholeParser(0, 100),
    );

const toProfile = (options: ProfileOptions) =>
  omitUndefined({
    locale: options.locale,
    timeZone: options.timeZone,
    currency: options.currency,
    vip: options.vip,
    discountPercent: options.discount,
    reachable: options.reachable,
  });

function buildCreateCommand(open: DatabaseOpener): Command {
  const build = addProfileOptions(
    buildCommand('create <TG>', 'add a customer without money or rights'),
    newDefaults,
  );
  return buildChangeCommand<ProfileOptions>(open, build, ({ db, config }, options, id) =>
    createCustomer(createCaller(db, options), {
      ...toProfile(options),
      currency: options.currency ?? config.file.currency,
      telegramId: requireTelegramId(id),
    }),
  );
}

function buildSetCommand(open: DatabaseOpener): Command {
  const build = addProfileOptions(
    buildCommand('set <TG>', 'change the data of a customer'),
    keptDefaults,
  )
    .option(
      '--reachable <on|off>',
      'set whether notifications reach the customer [unchanged]',
      parseOnOff,
    )
    .option('--new-sub-token', 'replace the secret of the subscription URL [unchanged]');
  return buildChangeCommand<ProfileOptions>(open, build, ({ db }, options, id) =>
    setCustomer(createCaller(db, options), {
      ...toProfile(options),
      ...omitUndefined({ newSubToken: options.newSubToken }),
      telegramId: requireTelegramId(id),
    }),
  );
}

interface ShowOptions extends CommonOptions {
  readonly rows: number;
  readonly qr?: boolean;
}

function buildShowCommand(open: DatabaseOpener): Command {
  return buildCommand('show', 'show all data of a customer')
    .argument('<TG>', 'choose by Telegram id, or by any value that "customer find" accepts')
    .option(
      '--rows <N>',
      'show this number of ledger entries, notifications and events',
      createWholeParser(0, 10_000),
      10,
    )
    .option('--qr', 'print each link also as a QR code [text]')
    .action((id: string, options: ShowOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const telegramId = await requireOneCustomer(db, id);
        const view = await readCustomerView(db, telegramId, options.rows);
        const links = await readCustomerLinks(db, telegramId);
        const shown = view.subscriptions.map((subscription) => subscription.id);
        const nodes = await readSubscriptionNodes(db, shown);
        const formatView = () =>
          [
            formatCustomerView(view),
            ...(links.length === 0 ? [] : [`links\n${formatLinks(links, options.qr === true)}`]),
            ...formatCustomerNodes(nodes),
          ].join('\n\n');
        printResult(options, { ...view, links, nodes }, formatView);
      }),
    );
}

function buildTopUpCommand(open: DatabaseOpener): Command {
  const build = buildCommand('top-up <TG> <AMOUNT>', 'credit a balance and start auto-renewal');
  return buildChangeCommand<KeyOption & PaymentOptions>(
    open,
    addPaymentOptions(build),
    async ({ db }, options, id, text = '') => {
      const telegramId = requireTelegramId(id);
      const { payment, ...confirmation } = await readPayment(
        db,
        telegramId,
        text,
        options,
        'AMOUNT',
      );
      return topUp(createCaller(db, options), { telegramId, ...payment, ...confirmation });
    },
  );
}

function buildAdjustCommand(open: DatabaseOpener): Command {
  const build = buildCommand(
    'adjust <TG> <AMOUNT>',
    'correct a balance; put -- before a negative amount',
  ).requiredOption('--reason <TEXT>', 'record this reason in the timeline');
  return buildChangeCommand<KeyOption & { reason: string }>(
    open,
    build,
    async ({ db }, options, id, text = '') => {
      const telegramId = requireTelegramId(id);
      const amountMinor = parseAmountOption(text, await readCurrency(db, telegramId), 'AMOUNT');
      return adjustBalance(createCaller(db, options), {
        telegramId,
        amountMinor,
        reason: options.reason,
      });
    },
  );
}
