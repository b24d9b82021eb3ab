import { Command } from 'commander';
import { readCustomerNodes } from '../../../access/customer-nodes.ts';
import { readCustomerLinks } from '../../../catalog/links.ts';
import { adjustBalance } from '../../../subscription/commands/adjust.ts';
import { createCustomer, setCustomer } from '../../../subscription/commands/customer.ts';
import { topUp } from '../../../subscription/commands/top-up.ts';
import { readCurrency, readCustomerView } from '../../../subscription/queries/customer-view.ts';
import {
  createWholeParser,
  currencyCode,
  localeCode,
  omitUndefined,
  parseAmountOption,
  parseOnOff,
  timeZone,
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
import { buildChangeCommand, createCaller, type KeyOption, requireTelegramId } from './call.ts';
import { formatLinks } from './links.ts';
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

// `perennial customer …`: each calls one function of subscription/. A customer is named by the
// Telegram id, money is in major units.

export function buildCustomerCommand(open: DatabaseOpener): Command {
  return new Command('customer')
    .description('customers: their money, subscriptions and rights')
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
    .addCommand(buildReissueCommand(open));
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

const addProfileOptions = (build: Command): Command =>
  build
    .option('--locale <CODE>', 'language, as en or ru', localeCode)
    .option('--time-zone <ZONE>', 'IANA zone, as Europe/Moscow', timeZone)
    .option('--currency <CODE>', 'as RUB', currencyCode)
    .option('--vip <on|off>', 'pays the VIP price', parseOnOff)
    .option(
      '--discount <PERCENT>',
      "personal discount; doesn't add to the VIP's",
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
  const build = addProfileOptions(buildCommand('set <TG>', 'change who a customer is'))
    .option('--reachable <on|off>', 'whether messages get through', parseOnOff)
    .option('--new-sub-token', 'a new secret for the subscription URL; the old one ends');
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
  return buildCommand('show <TG>', 'all that the books say of a customer')
    .option(
      '--rows <N>',
      'how many of the latest ledger entries, notices, events',
      createWholeParser(0, 10_000),
      10,
    )
    .option('--qr', 'each link also as a code to scan')
    .action((id: string, options: ShowOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const view = await readCustomerView(db, requireTelegramId(id), options.rows);
        const links = await readCustomerLinks(db, requireTelegramId(id));
        const nodes = await readCustomerNodes(db, requireTelegramId(id));
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
  const build = buildCommand('top-up <TG> <AMOUNT>', 'credit a balance; wakes auto-renewal');
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
    'correct a balance by hand; -- before a negative amount',
  ).requiredOption('--reason <TEXT>', 'why; it stands in the timeline');
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
