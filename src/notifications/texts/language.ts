import type { FluentBundle, FluentVariable } from '@fluent/bundle';
import { createBundle, parseTexts, type TextFile, type TextPattern } from './fluent.ts';

/** All texts of one language: `receipt`, `receipt.subject`, `button_buy`. */
export interface Language {
  readonly locale: string;
  readonly bundle: FluentBundle;
  readonly texts: ReadonlyMap<string, TextPattern>;
}

/**
 * @param files of this language; a text of a later file replaces an earlier one
 * @throws UsageFault
 */
export function openLanguage(locale: string, files: readonly TextFile[]): Language {
  const resources = files.map(parseTexts);
  const bundle = createBundle(locale, resources);
  const texts = new Map<string, TextPattern>();
  for (const { body } of resources) {
    for (const entry of body) {
      if (entry.value !== null) texts.set(entry.id, entry.value);
      // An overridden text keeps its subject, unless the override has one.
      for (const [name, text] of Object.entries(entry.attributes)) {
        texts.set(`${entry.id}.${name}`, text);
      }
    }
  }
  return { locale, bundle, texts };
}

/** Formats a text with its values. The check at the start has found its mistakes. */
export function formatText(
  { bundle, texts }: Language,
  id: string,
  values: Record<string, FluentVariable>,
  errors: Error[] = [],
): string {
  return bundle.formatPattern(texts.get(id) ?? id, values, errors);
}
