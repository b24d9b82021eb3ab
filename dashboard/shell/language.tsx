import { FluentBundle, FluentResource, type FluentVariable } from '@fluent/bundle';
import { LocalizationProvider, ReactLocalization, useLocalization } from '@fluent/react';
import type { ComponentChildren } from 'preact';
import { createContext } from 'preact';
import { useContext, useMemo } from 'preact/hooks';

// The language of the page: of the browser, or the choice of the person. Each language is one
// chunk of all its texts.

export const languages = ['en', 'ru'] as const;
export type Language = (typeof languages)[number];

const storageKey = 'perennial.language';

function readLanguage(): Language {
  const wanted = [localStorage.getItem(storageKey), ...navigator.languages];
  for (const tag of wanted) {
    const language = languages.find((each) => tag?.toLowerCase().startsWith(each));
    if (language !== undefined) return language;
  }
  return 'en';
}

export interface LoadedLanguage {
  readonly language: Language;
  readonly localization: ReactLocalization;
}

const textsOf = {
  en: () => import('../texts/en.ts'),
  ru: () => import('../texts/ru.ts'),
};

export async function loadLanguage(language: Language = readLanguage()): Promise<LoadedLanguage> {
  const { texts } = await textsOf[language]();
  const bundle = new FluentBundle(language, { useIsolating: false });
  for (const text of texts) bundle.addResource(new FluentResource(text));
  document.documentElement.lang = language;
  // No text has markup, so nothing is parsed as HTML. The policy would forbid it.
  return { language, localization: new ReactLocalization([bundle], null) };
}

/** Stores the choice. */
export const storeLanguage = (language: Language): void =>
  localStorage.setItem(storageKey, language);

const LanguageContext = createContext<Language>('en');

export function LanguageProvider(props: {
  readonly loaded: LoadedLanguage;
  readonly children: ComponentChildren;
}) {
  const { language, localization } = props.loaded;
  return (
    <LanguageContext.Provider value={language}>
      <LocalizationProvider l10n={localization}>{props.children as never}</LocalizationProvider>
    </LanguageContext.Provider>
  );
}

export const useLanguage = (): Language => useContext(LanguageContext);

export type Translate = (id: string, values?: Record<string, FluentVariable>) => string;

/** Texts of the present language, by the id of a Fluent message. */
export function useText(): Translate {
  const { l10n } = useLocalization();
  return useMemo(() => (id, values) => l10n.getString(id, values ?? null), [l10n]);
}

/** True if the language has this message. For codes that a newer API may send. */
export function useHasText(): (id: string) => boolean {
  const { l10n } = useLocalization();
  return (id) => l10n.getBundle(id) !== null;
}
