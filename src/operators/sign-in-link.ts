import { sql } from 'kysely';
import { readClock, readServerTime } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import type { OperatorRole } from '../db/schema-operators.ts';
import { UsageFault } from '../kernel/faults.ts';
import { dayMs, type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';
import { recordEvents } from '../subscription/store/events.ts';
import { generateToken, isTokenName } from '../tokens/token.ts';

// One-time links to the dashboard, for a named operator with a role.
//
// Links and sessions also work while the time of the database is suspect, and while changes wait
// for a confirmation. At these times an operator needs the dashboard most, and they move neither
// money nor rights.

/** In the order of their rights. They are scopes of tokens. */
export const operatorRoles: readonly OperatorRole[] = ['read', 'sell', 'admin'];

export const linkLifetimeMs = 10 * minuteMs;
/** A link is a secret that travels, so it must not stay valid for long. */
export const linkLifetimeMaxMs = dayMs;

export interface SignInLink {
  readonly id: string;
  readonly name: string;
  readonly scope: OperatorRole;
  readonly created_at: Instant;
  readonly expires_at: Instant;
}

export interface SignInLinkRequest {
  readonly name: string;
  readonly scope: OperatorRole;
  readonly lastsMs: number;
}

/**
 * Creates a link that opens one session.
 * @returns the link with its secret, which is stored nowhere
 * @throws Fault `bad_name`
 */
export function createSignInLink(
  db: Db,
  request: SignInLinkRequest,
  actor: string,
): Promise<SignInLink & { readonly secret: string }> {
  const { name, scope, lastsMs } = request;
  if (!isTokenName(name)) {
    const text = `name: ${JSON.stringify(name)} is not a name; expected 1 to 64 printable characters with single spaces between them`;
    throw new UsageFault('bad_name', text);
  }
  return inTransaction(db, async (tx) => {
    const now = await readServerTime(tx);
    const { text, id, hash } = generateToken('prl');
    const expiresAt = later(now, Math.min(lastsMs, linkLifetimeMaxMs));
    await sql`
      INSERT INTO perennial.operator_link (id, name, scope, hash, created_at, expires_at)
      VALUES (${id}, ${name}, ${scope}, ${hash}, ${isoTime(now)}, ${isoTime(expiresAt)})`.execute(
      tx,
    );
    await recordOperatorEvent(tx, name, 'link_created', actor, { link: id, scope });
    return { id, name, scope, created_at: now, expires_at: expiresAt, secret: text };
  });
}

/** Its time is that of the timeline: the stored clock of a test database. */
export async function recordOperatorEvent(
  tx: Tx,
  name: string,
  action: 'link_created' | 'signed_in' | 'signed_out',
  actor: string,
  detail: object,
): Promise<void> {
  const event = { customerId: null, subject: `operator:${name}`, action, detail };
  await recordEvents(tx, [event], actor, await readClock(tx));
}
