import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'wouter';
import type { ApiProblem } from '../api/problem.ts';
import { useProblemText } from '../parts/states.tsx';
import { useText } from './language.tsx';
import { type Session, signIn } from './session.tsx';

// Sign-in by a one-time link. The secret is the fragment of the address, so no server log contains
// it, and the preview of a messenger does not use the link up.
//
// A browser without a session signs in at once. With a session, the person decides: a link of
// another person must not replace the operator unnoticed.

/** Reads the secret, and removes it from the address and from the history of the browser. */
function takeLink(): string {
  const link = location.hash.slice(1);
  if (link !== '') history.replaceState(null, '', location.pathname);
  return link;
}

/** @param present the session of this browser; null without one */
export function SignIn({ present }: { readonly present: Session | null }) {
  const t = useText();
  const describe = useProblemText();
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [offered, setOffered] = useState<string>();
  const isPresent = present !== null;
  const attempt = useMutation<Session | undefined, ApiProblem, string>({
    mutationFn: signIn,
    onSuccess: async () => {
      await queries.resetQueries();
      navigate('/', { replace: true });
    },
  });
  const { mutate } = attempt;
  useEffect(() => {
    const readLink = () => {
      const link = takeLink();
      if (link === '') return;
      if (isPresent) setOffered(link);
      else mutate(link);
    };
    readLink();
    // A second link in the address bar of this page changes only the fragment.
    window.addEventListener('hashchange', readLink);
    return () => window.removeEventListener('hashchange', readLink);
  }, [isPresent, mutate]);
  return (
    <main class="sign-in">
      <h1>Perennial</h1>
      {attempt.isPending && <p role="status">{t('sign-in-pending')}</p>}
      {attempt.error !== null && (
        <p role="alert" class="alert">
          {describe(attempt.error)}
        </p>
      )}
      {isPresent && <p>{t('sign-in-present', { name: present.name })}</p>}
      {isPresent ? (
        <div class="buttons">
          <button type="button" onClick={() => navigate('/', { replace: true })}>
            {t('sign-in-stay', { name: present.name })}
          </button>
          {offered !== undefined && (
            <button type="button" class="primary" onClick={() => mutate(offered)}>
              {t('sign-in-replace')}
            </button>
          )}
        </div>
      ) : (
        <>
          <p>{t('sign-in-help')}</p>
          <pre>
            <code>perennial ui link NAME --role read</code>
          </pre>
        </>
      )}
    </main>
  );
}
