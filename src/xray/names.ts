import type { CredentialId } from '../kernel/ids.ts';

// Xray calls a user's name his email. Ours are `<installation>-<credential>` in lower case, so that
// those of another installation, and of other programs, are told apart and left alone.

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * 36 characters, lower case, or undefined. Stricter than Xray, which cuts surplus off and hashes
 * what is short into another UUID: a truncated one would open the node to nobody, silently.
 */
export function readCredentialId(text: string): CredentialId | undefined {
  return uuid.test(text) ? (text as CredentialId) : undefined;
}

export function userName(installation: string, credential: CredentialId): string {
  return `${installation}-${credential}`;
}

/** The credential in a name of ours; undefined for a name that this installation didn't give. */
export function readUserName(name: string, installation: string): CredentialId | undefined {
  const prefix = `${installation}-`;
  if (!name.startsWith(prefix)) return undefined;
  return readCredentialId(name.slice(prefix.length));
}

/** Whether a node keeps this name as it is: an empty one could never be removed again. */
export function isUserName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._@-]*$/.test(name);
}
