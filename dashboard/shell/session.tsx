import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { ApiProblem } from '../api/problem.ts';

// The session of a named operator: a cookie that scripts cannot read. The role is a scope.

export const roles = ['read', 'sell', 'admin'] as const;
export type Role = (typeof roles)[number];

export interface Session {
  readonly name: string;
  readonly scope: Role;
  readonly expires_at: string;
  readonly currency: string;
  readonly version: string;
  readonly is_demo: boolean;
}

const sessionPath = '/ui/session';

/** @throws ApiProblem */
async function callSession(method: string, body?: object): Promise<Session | undefined> {
  let response: Response;
  try {
    response = await fetch(sessionPath, {
      method,
      credentials: 'same-origin',
      ...(body && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
  } catch {
    throw new ApiProblem(0, { type: 'offline' });
  }
  if (response.ok) return response.status === 204 ? undefined : await response.json();
  throw new ApiProblem(response.status, await response.json().catch(() => ({})));
}

export const signIn = (link: string) => callSession('POST', { link });
export const signOut = () => callSession('DELETE');

/** The session; null without one. */
export const useSessionQuery = () =>
  useQuery<Session | null, ApiProblem>({
    queryKey: [sessionPath],
    queryFn: async () => {
      try {
        return (await callSession('GET')) ?? null;
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 401) return null;
        throw error;
      }
    },
  });

/** Forgets everything that was read, and asks for a link. */
export function useEndSession(): () => void {
  const queries = useQueryClient();
  return () => {
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionPath });
    queries.setQueryData([sessionPath], null);
  };
}

export const SessionContext = createContext<Session | null>(null);

/** @throws Error outside of a session */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('no session');
  return session;
}

/** True if the role of the operator allows an action of this scope. */
export function useCan(): (scope: Role) => boolean {
  const { scope } = useSession();
  return (wanted) => roles.indexOf(scope) >= roles.indexOf(wanted);
}
