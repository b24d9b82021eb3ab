import { type Link, linksOf } from '../catalog/links.ts';
import type { Tx } from '../db/connect.ts';
import type { Answer, Call } from '../subscription/command.ts';
import { subTokenOf } from '../subscription/portrait.ts';

// The access that a command gave, as a part of its answer: the customer gets the link at once. It
// is stored with the answer, so the same key gets the same bytes.

export interface Access {
  readonly sub_token: string;
  readonly links: readonly Link[];
}

export const withAccess = (call: Call): Call => ({ ...call, extend: readAccess });

async function readAccess(tx: Tx, answer: Answer): Promise<Access> {
  const telegramId = BigInt(answer.telegram_id as number);
  return {
    sub_token: await subTokenOf(tx, telegramId),
    links: await linksOf(tx, telegramId, BigInt(answer.subscription_id as number)),
  };
}

/** The access in an answer that was extended by it. An answer of an older version has none. */
export function accessOf(answer: object): { sub_token: string; links: Link[] } {
  const { sub_token = '', links = [] } = answer as Partial<Access>;
  return { sub_token, links: [...links] };
}
