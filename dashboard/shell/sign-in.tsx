import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'preact/hooks';
import { useLocation } from 'wouter';
import type { ApiProblem } from '../api/problem.ts';
import { useProblemText } from '../parts/states.tsx';
import { useText } from './language.tsx';
import { type Session, signIn } from './session.tsx';

// Sign-in by a one-time link. The secret is the fragment of the address, so no server log contains
// it, and the preview of a messenger does not use the link up.

/** Reads the secret, and removes it from the address and from the history of the browser. */
function takeLink(): string {
  const link = location.hash.slice(1);
  if (link !== '') history.replaceState(null, '', location.pathname);
  return link;
}

export function SignIn() {
  const t = useText();
  const describe = useProblemText();
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const isStarted = useRef(false);
  const attempt = useMutation<Session | undefined, ApiProblem, string>({
    mutationFn: signIn,
    onSuccess: async () => {
      await queries.invalidateQueries();
      navigate('/', { replace: true });
    },
  });
  useEffect(() => {
    if (isStarted.current) return;
    isStarted.current = true;
    const link = takeLink();
    if (link !== '') attempt.mutate(link);
  }, [attempt]);
  return (
    <main class="sign-in">
      <h1>Perennial</h1>
      {attempt.isPending && <p role="status">{t('sign-in-pending')}</p>}
      {attempt.error !== null && (
        <p role="alert" class="alert">
          {describe(attempt.error)}
        </p>
      )}
      <p>{t('sign-in-help')}</p>
      <pre>
        <code>perennial ui link NAME --role read</code>
      </pre>
    </main>
  );
}
