import type { TokenHolder } from '../tokens/store.ts';
import { hasScope } from '../tokens/token.ts';

// Secrets of customers: links, UUIDs and subscription tokens open nodes. Only a holder who may sell
// gets them. Routes leave them out by name; texts from a node can hold a UUID, so each answer is
// also searched.

const secrets = [
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi,
  /\b(?:vless|vmess|trojan|ss):\/\/[^\s"\\]+/gi,
];

export const canSeeSecrets = (holder: TokenHolder): boolean => hasScope(holder.scopes, 'sell');

/** @param json an answer; @returns what this holder may see of it */
export function redactFor(holder: TokenHolder, json: string): string {
  if (canSeeSecrets(holder)) return json;
  return secrets.reduce((text, secret) => text.replace(secret, '***'), json);
}

/** The subscriptions of a customer without their UUIDs. */
export const hideCredential = <S extends { readonly credential: string | null }>(
  subscription: S,
): S => ({
  ...subscription,
  credential: null,
});
