import type { FluentBundle, FluentVariable } from '@fluent/bundle';
import { createBundle, parseTexts, type TextFile, type TextPattern } from './fluent.ts';

/** All texts of one language: `receipt`, `receipt.subject`, `button_buy`. */
export interface Language {
  readonly locale: string;
  readonly bundle: FluentBundle;
  readonly texts: ReadonlyMap<string, TextPattern>;
}

/** @param files of this language; the later ones' texts win. @throws UsageFault */
export function openLanguage(locale: string, files: readonly TextFile[]): Language {
  const resources = files.map(parseTexts);
  const bundle = createBundle(locale, resources);
  const texts = new Map<string, TextPattern>();
  for (const { body } of resources) {
    for (const entry of body) {
      if (entry.value !== null) texts.set(entry.id, entry.value);
      // A text that is overridden keeps the subject that it had, unless it brings one.
      for (const [name, text] of Object.entries(entry.attributes)) {
        texts.set(`${entry.id}.${name}`, text);
      }
    }
  }
  return { locale, bundle, texts };
}

/** A text with its values. What is wrong with it was found at the start. */
export function formatText(
  { bundle, texts }: Language,
  id: string,
  values: Record<string, FluentVariable>,
  errors: Error[] = [],
): string {
  return bundle.formatPattern(texts.get(id) ?? id, values, errors);
}
