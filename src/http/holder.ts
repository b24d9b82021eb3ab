import type { OperatorSession } from '../operators/session.ts';
import type { TokenHolder } from '../tokens/store.ts';

// The holder of the rights of a request: a token, or a session of the dashboard.

export type RequestHolder = TokenHolder &
  (
    | { readonly kind: 'token' }
    | { readonly kind: 'session'; readonly session: Pick<OperatorSession, 'expires_at'> }
  );

export const toTokenRights = (holder: TokenHolder): RequestHolder => ({ ...holder, kind: 'token' });

export const toSessionRights = (session: OperatorSession): RequestHolder => ({
  kind: 'session',
  id: session.id,
  name: session.name,
  scopes: [session.scope],
  session,
});

/** The id distinguishes two holders of one name. */
export const toActor = ({ kind, name, id }: RequestHolder): string =>
  `${kind === 'token' ? 'api' : 'ui'}:${name}/${id}`;

/**
 * The owner of an idempotency key. The keys of an operator outlive a session, so a request that is
 * repeated after a new sign-in is not executed twice. An id of a token has no colon.
 */
export const toKeyOwner = ({ kind, name, id }: RequestHolder): string =>
  kind === 'token' ? id : `ui:${name}`;
