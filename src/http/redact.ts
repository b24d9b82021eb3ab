import type { TokenHolder } from '../tokens/store.ts';
import { hasScope } from '../tokens/token.ts';

// Hides secrets of customers: links, UUIDs and subscription tokens open nodes. Only a holder with
// the scope `sell` gets them. Routes leave them out by name. A text of a node can contain a UUID,
// so each answer is also searched.

const secrets = [
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi,
  /\b(?:vless|vmess|trojan|ss):\/\/[^\s"\\]+/gi,
];

export const canSeeSecrets = (holder: TokenHolder): boolean => hasScope(holder.scopes, 'sell');

/** @param json an answer; @returns the answer without secrets if this holder may not see them */
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
