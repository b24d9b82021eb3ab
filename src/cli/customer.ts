import { Command } from 'commander';
import { nodesOf } from '../catalog/customer-nodes.ts';
import { linksOf } from '../catalog/links.ts';
import { adjust, topUp } from '../subscription/balance.ts';
import { createCustomer, setCustomer } from '../subscription/customers.ts';
import { currencyOf, portraitOf } from '../subscription/portrait.ts';
import { amount, currencyCode, given, localeCode, onOff, timeZone, whole } from './arguments.ts';
import { call, changing, type KeyOption, tg } from './customer-call.ts';
import { chargebackCommand, movePaymentCommand, waiveClaimCommand } from './customer-reversals.ts';
import {
  autoRenew,
  changePlanCommand,
  grantCommand,
  purchaseCommand,
  refundCommand,
  reissueCommand,
  revokeCommand,
  trialCommand,
} from './customer-rights.ts';
import { type CommonOptions, command, type OpenBooks, print, withBooks } from './frame.ts';
import { linksText } from './links.ts';
import { type PaymentOptions, readPayment, withReference } from './payment-options.ts';
import { customerNodesText, portraitText } from './portrait-text.ts';

// `perennial customer …`: each calls one function of subscription/. A customer is named by the
// Telegram id, money is in major units.

export function customerCommand(open: OpenBooks): Command {
  return new Command('customer')
    .description('customers: their money, subscriptions and rights')
    .addCommand(create(open))
    .addCommand(set(open))
    .addCommand(show(open))
    .addCommand(topUpCommand(open))
    .addCommand(purchaseCommand(open))
    .addCommand(trialCommand(open))
    .addCommand(autoRenew(open))
    .addCommand(changePlanCommand(open))
    .addCommand(refundCommand(open))
    .addCommand(chargebackCommand(open))
    .addCommand(movePaymentCommand(open))
    .addCommand(waiveClaimCommand(open))
    .addCommand(adjustCommand(open))
    .addCommand(grantCommand(open))
    .addCommand(revokeCommand(open))
    .addCommand(reissueCommand(open));
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
    .option('--locale <CODE>', 'language, as en or ru', localeCode)
    .option('--time-zone <ZONE>', 'IANA zone, as Europe/Moscow', timeZone)
    .option('--currency <CODE>', 'as RUB', currencyCode)
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
  readonly qr?: boolean;
}

function show(open: OpenBooks): Command {
  return command('show <TG>', 'all that the books say of a customer')
    .option(
      '--rows <N>',
      'how many of the latest ledger entries, notices, events',
      whole(0, 10_000),
      10,
    )
    .option('--qr', 'each link also as a code to scan')
    .action((id: string, options: ShowOptions) =>
      withBooks(open, options, async ({ db }) => {
        const portrait = await portraitOf(db, tg(id), options.rows);
        const links = await linksOf(db, tg(id));
        const nodes = await nodesOf(db, tg(id));
        const shown = () =>
          [
            portraitText(portrait),
            ...(links.length === 0 ? [] : [`links\n${linksText(links, options.qr === true)}`]),
            ...customerNodesText(nodes),
          ].join('\n\n');
        print(options, { ...portrait, links, nodes }, shown);
      }),
    );
}

function topUpCommand(open: OpenBooks): Command {
  const build = command('top-up <TG> <AMOUNT>', 'credit a balance; wakes auto-renewal');
  return changing<KeyOption & PaymentOptions>(
    open,
    withReference(build),
    async ({ db }, options, id, text = '') => {
      const telegramId = tg(id);
      const { payment, ...more } = await readPayment(db, telegramId, text, options, 'AMOUNT');
      return topUp(call(db, options), { telegramId, ...payment, ...more });
    },
  );
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
