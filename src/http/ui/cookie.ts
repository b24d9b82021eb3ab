import { secondMs } from '../../kernel/instant.ts';
import { sessionLifetimeMs } from '../../operators/session.ts';

// The cookie of a session. With the prefix `__Host-` a browser keeps it only over TLS or for
// localhost, only for this host, and no other host can set it.

export const sessionPath = '/ui/session';
export const eventsPath = '/ui/events';

/** Paths outside of `/v1` that need a session. */
export const sessionPaths: readonly string[] = [sessionPath, eventsPath];

const cookieName = '__Host-perennial';
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Strict';

export const formatSessionCookie = (text: string): string =>
  `${cookieName}=${text}; ${attributes}; Max-Age=${sessionLifetimeMs / secondMs}`;

export const expiredCookie = `${cookieName}=; ${attributes}; Max-Age=0`;

/** @returns undefined without the cookie, and if several cookies have this name */
export function parseSessionCookie(header: string | undefined): string | undefined {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim());
  const values = pairs
    .filter((pair) => pair.startsWith(`${cookieName}=`))
    .map((pair) => pair.slice(cookieName.length + 1));
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}
