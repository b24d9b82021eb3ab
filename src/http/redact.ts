import type { Holder } from '../tokens/store.ts';
import { mayDo } from '../tokens/token.ts';

// Secrets of customers: links, UUIDs and subscription tokens open nodes. Only a holder who may sell
// gets them. Routes leave them out by name; texts from a node can hold a UUID, so each answer is
// also searched.

const secrets = [
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi,
  /\b(?:vless|vmess|trojan|ss):\/\/[^\s"\\]+/gi,
];

export const seesSecrets = (holder: Holder): boolean => mayDo(holder.scopes, 'sell');

/** @param json an answer; @returns what this holder may see of it */
export function visibleTo(holder: Holder, json: string): string {
  if (seesSecrets(holder)) return json;
  return secrets.reduce((text, secret) => text.replace(secret, '***'), json);
}

/** The subscriptions of a customer without their UUIDs. */
export const withoutCredential = <S extends { readonly credential: string | null }>(one: S): S => ({
  ...one,
  credential: null,
});
