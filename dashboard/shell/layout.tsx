import { useMutation } from '@tanstack/react-query';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter';
import { SelectField } from '../parts/fields.tsx';
import { Toasts } from '../parts/toasts.tsx';
import type { LanguageChange } from './app.tsx';
import { languages, storeLanguage, useLanguage, useText } from './language.tsx';
import { useLiveUpdates } from './live.ts';
import { Lookup } from './lookup.tsx';
import { pages } from './pages.ts';
import { signOut, useEndSession, useSession } from './session.tsx';
import { applyTheme, readTheme, themes } from './theme.ts';

// The frame of a page: the menu, the lookup, the state of live updates, and the person.

interface LayoutProps {
  readonly children: ComponentChildren;
  readonly onLanguage: LanguageChange;
}

export function Layout({ children, onLanguage }: LayoutProps) {
  const t = useText();
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const page = pages.find((each) => each.path === path);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${t(page === undefined ? 'page-customer' : `page-${page.id}`)} · Perennial`;
  }, [page, t]);
  useEffect(() => {
    setMenuOpen(false);
    // A screen reader continues with the new page. The first page keeps the focus of the browser.
    if (!isFirst.current) main.current?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [path]);
  return (
    <div class="frame">
      <a class="skip" href="#main">
        {t('skip-to-content')}
      </a>
      <header class="bar">
        <button
          type="button"
          class="menu-button"
          aria-expanded={isMenuOpen}
          aria-controls="menu"
          onClick={() => setMenuOpen(!isMenuOpen)}
        >
          {t('menu')}
        </button>
        <Link href="/" class="brand">
          Perennial
        </Link>
        <Lookup />
        <LiveBadge />
        <PersonMenu onLanguage={onLanguage} />
      </header>
      <nav id="menu" class={isMenuOpen ? 'menu open' : 'menu'} aria-label={t('menu')}>
        <ul>
          {pages
            .filter(({ isInMenu }) => isInMenu)
            .map(({ id, path: target }) => (
              <li key={id}>
                <Link href={target} aria-current={isCurrent(target, path) ? 'page' : undefined}>
                  {t(`page-${id}`)}
                </Link>
              </li>
            ))}
        </ul>
      </nav>
      <main id="main" tabIndex={-1} ref={main}>
        {children}
      </main>
      <Toasts />
    </div>
  );
}

const isCurrent = (target: string, path: string): boolean =>
  target === '/' ? path === '/' : path === target || path.startsWith(`${target}/`);

function LiveBadge() {
  const t = useText();
  const state = useLiveUpdates();
  return (
    <span class={`live ${state}`} role="status">
      {t(`live-${state}`)}
    </span>
  );
}

function PersonMenu({ onLanguage }: { readonly onLanguage: LanguageChange }) {
  const t = useText();
  const { name, scope } = useSession();
  const language = useLanguage();
  const [theme, setTheme] = useState(readTheme);
  const endSession = useEndSession();
  // The cookie is gone, or the server will refuse it: both end the session of this page.
  const leave = useMutation({ mutationFn: signOut, onSettled: endSession });
  return (
    <>
      <button type="button" class="person" popovertarget="person">
        {name}
      </button>
      <div id="person" popover="auto" class="popover">
        <p>
          {name} · {t(`role-${scope}`)}
        </p>
        <SelectField
          label={t('language')}
          value={language}
          options={languages.map((each) => [each, t(`language-${each}`)])}
          onChange={(chosen) => {
            const next = languages.find((each) => each === chosen) ?? 'en';
            storeLanguage(next);
            void onLanguage(next);
          }}
        />
        <SelectField
          label={t('theme')}
          value={theme}
          options={themes.map((each) => [each, t(`theme-${each}`)])}
          onChange={(chosen) => {
            const next = themes.find((each) => each === chosen) ?? 'system';
            applyTheme(next);
            setTheme(next);
          }}
        />
        <button type="button" onClick={() => leave.mutate()}>
          {t('sign-out')}
        </button>
      </div>
    </>
  );
}
