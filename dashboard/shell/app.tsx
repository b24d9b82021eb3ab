import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Suspense } from 'preact/compat';
import { useState } from 'preact/hooks';
import { Route, Router, Switch, useRoute } from 'wouter';
import { ApiProblem } from '../api/problem.ts';
import { EmptyState, ErrorState, LoadingState } from '../parts/states.tsx';
import { LanguageProvider, type LoadedLanguage, loadLanguage, useText } from './language.tsx';
import { Layout } from './layout.tsx';
import { pages } from './pages.ts';
import { SessionContext, useSessionQuery } from './session.tsx';
import { SignIn } from './sign-in.tsx';

// The frame of all pages: texts, session, menu and routes.

function createQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        // A refusal stays a refusal. A lost connection and a busy database are tried again. So is
        // a read that waits for another one: the previous read of this page ends within seconds.
        retry: (count, error) =>
          error instanceof ApiProblem && error.code.endsWith('_running')
            ? count < 4
            : count < 2 &&
              (!(error instanceof ApiProblem) || error.status === 0 || error.status >= 500),
        refetchOnWindowFocus: false,
      },
      mutations: { retry: false },
    },
  });
}

export function App(props: { readonly language: LoadedLanguage }) {
  const [language, setLanguage] = useState(props.language);
  const [queries] = useState(createQueries);
  return (
    <LanguageProvider loaded={language}>
      <QueryClientProvider client={queries}>
        <Router base="/ui">
          <WithSession onLanguage={async (name) => setLanguage(await loadLanguage(name))} />
        </Router>
      </QueryClientProvider>
    </LanguageProvider>
  );
}

function WithSession({ onLanguage }: { readonly onLanguage: LanguageChange }) {
  const session = useSessionQuery();
  const [isSignIn] = useRoute('/sign-in');
  if (session.data === undefined) {
    if (session.error !== null)
      return <ErrorState problem={session.error} onRetry={() => void session.refetch()} />;
    return <LoadingState />;
  }
  if (session.data === null || isSignIn) return <SignIn present={session.data} />;
  return (
    <SessionContext.Provider value={session.data}>
      <Layout onLanguage={onLanguage}>
        <Suspense fallback={<LoadingState />}>
          <Switch>
            {pages.map(({ id, path, component: Page }) => (
              <Route key={id} path={path}>
                <Page />
              </Route>
            ))}
            <Route>
              <UnknownPage />
            </Route>
          </Switch>
        </Suspense>
      </Layout>
    </SessionContext.Provider>
  );
}

function UnknownPage() {
  const t = useText();
  return (
    <>
      <h1>{t('page-unknown-title')}</h1>
      <EmptyState text={t('page-unknown')} />
    </>
  );
}

export type LanguageChange = (language: LoadedLanguage['language']) => Promise<void>;
