import { type Command, InvalidArgumentError } from 'commander';
import { linksOf } from '../catalog/links.ts';
import type { Db } from '../db/connect.ts';
import { type Instant, readInstant } from '../kernel/instant.ts';
import type { Answer } from '../subscription/command.ts';
import type { EndCondition } from '../subscription/conditions.ts';
import { currencyOf, subTokenOf } from '../subscription/portrait.ts';
import { amount, given } from './arguments.ts';
import type { Also } from './customer-call.ts';
import type { OpenedBooks } from './frame.ts';
import { linksText } from './links.ts';

// What the commands on rights share with the API: conditions that the customer saw, and the access
// that a command gives.

export interface EndOption {
  readonly ifExpiresAt?: Instant | 'none';
}

export interface PriceOption {
  readonly ifPrice?: string;
}

function seenEnd(text: string): Instant | 'none' {
  if (text === 'none') return text;
  const read = readInstant(text);
  if (read !== undefined) return read;
  throw new InvalidArgumentError(
    `"${text}" is not a time; expected ISO 8601 with an offset, or none for a new subscription`,
  );
}

export const withEnd = (build: Command): Command =>
  build.option(
    '--if-expires-at <ISO>',
    'a condition: the end that the customer saw; none: no subscription. With another end nothing is done',
    seenEnd,
  );

export const withPrice = (build: Command): Command =>
  build.option(
    '--if-price <AMOUNT>',
    'a condition: the price that the customer saw. At another price nothing is done',
  );

export const endOf = ({ ifExpiresAt }: EndOption): EndCondition =>
  given({ ifExpiresAt: ifExpiresAt === 'none' ? null : ifExpiresAt });

/** @throws UsageFault `bad_amount`; Fault `no_customer` */
export async function priceOf(
  db: Db,
  telegramId: bigint,
  { ifPrice }: PriceOption,
): Promise<{ readonly quotedMinor?: bigint }> {
  if (ifPrice === undefined) return {};
  return { quotedMinor: amount(ifPrice, await currencyOf(db, telegramId), '--if-price') };
}

/** The access to a subscription as it is now, also if the answer is an earlier one. */
export async function accessNow(
  { db }: Pick<OpenedBooks, 'db'>,
  { telegram_id, subscription_id }: Answer,
): Promise<Also> {
  const telegramId = BigInt(telegram_id as number);
  const sub_token = await subTokenOf(db, telegramId);
  const links = await linksOf(db, telegramId, BigInt(subscription_id as number));
  const text = links.length === 0 ? '' : `\n\nlinks\n${linksText(links, false)}`;
  return { json: { sub_token, links }, text: `\nsubscription URL /sub/${sub_token}${text}` };
}
