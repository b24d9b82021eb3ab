import type { CredentialId } from '../kernel/ids.ts';

// The names of our users on a node (Xray: `email`) are `<installation>-<credential>` in lower case.
// So the users of other installations and programs are recognized and not changed.

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * A UUID of 36 characters in lower case, or undefined. Xray is less strict: it cuts a longer text
 * and hashes a shorter one into another UUID. So a truncated UUID would silently open nothing.
 */
export function tryParseCredentialId(text: string): CredentialId | undefined {
  return uuidPattern.test(text) ? (text as CredentialId) : undefined;
}

export function formatUserName(installation: string, credential: CredentialId): string {
  return `${installation}-${credential}`;
}

/** The credential in a name of this installation; undefined for any other name. */
export function tryParseUserName(name: string, installation: string): CredentialId | undefined {
  const prefix = `${installation}-`;
  if (!name.startsWith(prefix)) return undefined;
  return tryParseCredentialId(name.slice(prefix.length));
}

/** True if a node keeps this name unchanged. An empty name could never be removed. */
export function isUserName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._@-]*$/.test(name);
}
