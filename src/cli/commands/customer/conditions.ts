import { type Command, InvalidArgumentError } from 'commander';
import { readCustomerLinks } from '../../../catalog/links.ts';
import type { Db } from '../../../db/connect.ts';
import { type Instant, tryParseInstant } from '../../../kernel/instant.ts';
import type { EndCondition } from '../../../subscription/commands/conditions.ts';
import { readCurrency, readSubToken } from '../../../subscription/queries/customer-view.ts';
import type { CommandResult } from '../../../subscription/store/command-context.ts';
import { omitUndefined, parseAmountOption } from '../../arguments.ts';
import type { CommandDatabase } from '../../command.ts';
import type { ExtraOutput } from './call.ts';
import { formatLinks } from './links.ts';

// Options of commands on rights: conditions on the price and end that the customer saw, and the
// output of the access that a command gave.

export interface EndOption {
  readonly ifExpiresAt?: Instant | 'none';
}

export interface PriceOption {
  readonly ifPrice?: string;
}

function parseSeenEnd(text: string): Instant | 'none' {
  if (text === 'none') return text;
  const parsed = tryParseInstant(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError(
    `"${text}" is not a time; expected ISO 8601 with an offset, or none for a new subscription`,
  );
}

export const addEndOption = (build: Command): Command =>
  build.option(
    '--if-expires-at <ISO>',
    'change nothing unless the end is this one; none: a new subscription [any end]',
    parseSeenEnd,
  );

export const addPriceOption = (build: Command): Command =>
  build.option('--if-price <AMOUNT>', 'change nothing unless the price is this one [any price]');

export const toEndCondition = ({ ifExpiresAt }: EndOption): EndCondition =>
  omitUndefined({ ifExpiresAt: ifExpiresAt === 'none' ? null : ifExpiresAt });

/** @throws UsageFault `bad_amount`; Fault `no_customer` */
export async function readSeenPrice(
  db: Db,
  telegramId: bigint,
  { ifPrice }: PriceOption,
): Promise<{ readonly quotedMinor?: bigint }> {
  if (ifPrice === undefined) return {};
  return {
    quotedMinor: parseAmountOption(ifPrice, await readCurrency(db, telegramId), '--if-price'),
  };
}

/** The present access to a subscription, also if a key returned an earlier answer. */
export async function readCurrentAccess(
  { db }: Pick<CommandDatabase, 'db'>,
  { telegram_id, subscription_id }: CommandResult,
): Promise<ExtraOutput> {
  const telegramId = BigInt(telegram_id as number);
  const sub_token = await readSubToken(db, telegramId);
  const links = await readCustomerLinks(db, telegramId, BigInt(subscription_id as number));
  const text = links.length === 0 ? '' : `\n\nlinks\n${formatLinks(links, false)}`;
  return { json: { sub_token, links }, text: `\nsubscription URL /sub/${sub_token}${text}` };
}
