import { type NodeLink, readCustomerLinks } from '../catalog/links.ts';
import type { Tx } from '../db/connect.ts';
import { readSubToken } from '../subscription/queries/customer-view.ts';
import type { Caller, CommandResult } from '../subscription/store/command-context.ts';

// The access that a command gave, as a part of its answer, so that the customer gets the link at
// once. It is stored with the answer, so the same key returns the same bytes.

export interface GrantedAccess {
  readonly sub_token: string;
  readonly links: readonly NodeLink[];
}

export const addAccess = (caller: Caller): Caller => ({ ...caller, extend: readAccess });

async function readAccess(tx: Tx, answer: CommandResult): Promise<GrantedAccess> {
  const telegramId = BigInt(answer.telegram_id as number);
  return {
    sub_token: await readSubToken(tx, telegramId),
    links: await readCustomerLinks(tx, telegramId, BigInt(answer.subscription_id as number)),
  };
}

/** The access in an extended answer. An answer of an older version has none. */
export function toGrantedAccess(answer: object): { sub_token: string; links: NodeLink[] } {
  const { sub_token = '', links = [] } = answer as Partial<GrantedAccess>;
  return { sub_token, links: [...links] };
}
