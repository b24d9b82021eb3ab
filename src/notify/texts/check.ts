import { kinds, type NoticeKind, noticeKinds, type Params } from '../kinds.ts';
import type { ButtonPlans } from './buttons.ts';
import { badText, namesIn, type TextFile } from './fluent.ts';
import { wrongHtml } from './html.ts';
import { type Language, say } from './language.ts';
import { samplesOf, sampleTitle } from './samples.ts';
import { escapedValues, valuesOf } from './values.ts';

// Whether a language can say everything: each kind, in each of its forms, with every value, in
// HTML that Telegram takes. Asked once, at the start.

/** @throws UsageFault naming the file, the text and the language */
export function checkLanguage(
  language: Language,
  files: readonly TextFile[],
  buttons: ButtonPlans,
): void {
  const { locale, texts } = language;
  const wrong = (id: string, what: string) => {
    const [name = ''] = id.split('.');
    const holder = [...files].reverse().find(({ source }) => hasText(source, name)) ?? files[0];
    return badText(holder?.path ?? locale, `${id} (${locale}) ${what}`);
  };
  for (const id of texts.keys()) {
    if (!isKnown(id))
      throw wrong(id, `is no text; there is ${noticeKinds.join(', ')}, button_NAME`);
  }
  for (const kind of noticeKinds) {
    for (const id of [kind, `${kind}.subject`]) {
      if (!texts.has(id)) throw wrong(id, 'is missing');
      const why = wrongNames(language, id, kind) ?? wrongForms(language, id, kind);
      if (why !== undefined) throw wrong(id, why);
    }
  }
  for (const { text } of Object.values(buttons).flat(2)) {
    if (!texts.has(text)) throw wrong(text, 'is missing: a button is to say it');
  }
  for (const id of [...texts.keys()].filter((each) => each.startsWith('button_'))) {
    const { variables, others } = namesIn(texts.get(id) ?? null);
    const [name] = [...variables, ...others];
    if (name !== undefined) throw wrong(id, `names ${name}: a button's text is told nothing`);
  }
}

const hasText = (source: string, id: string): boolean =>
  source.split(/\r?\n/).some((line) => line.startsWith(id) && /^\s*=/.test(line.slice(id.length)));

const isKnown = (id: string): boolean => {
  const [name, attribute] = id.split('.') as [string, string | undefined];
  if (attribute !== undefined) return attribute === 'subject' && Object.hasOwn(kinds, name);
  return Object.hasOwn(kinds, name) || /^(button_\w+|-.*)$/.test(name);
};

const sampleEyes = (locale: string) => ({
  locale,
  timeZone: 'Europe/Moscow',
  now: undefined,
  planTitle: sampleTitle,
});

const told = (kind: NoticeKind, params: Params, locale: string) =>
  valuesOf(kind, params, sampleEyes(locale));

/** What it names that isn't there, also in a form of it that no sample shows. */
function wrongNames({ locale, texts }: Language, id: string, kind: NoticeKind): string | undefined {
  const [sample] = samplesOf(kind);
  const known = Object.keys(told(kind, sample as Params, locale)).map((name) => `$${name}`);
  const { variables, others } = namesIn(texts.get(id) ?? null);
  const unknown = [...variables].find((name) => !known.includes(name));
  if (unknown !== undefined) return `names ${unknown}; it is told ${known.join(', ')}`;
  const missing = [...others].find((name) => name !== 'NUMBER()' && !texts.has(name));
  return missing && `names ${missing}, which is not there`;
}

/** What goes wrong when it is said. */
function wrongForms(language: Language, id: string, kind: NoticeKind): string | undefined {
  for (const params of samplesOf(kind)) {
    const errors: Error[] = [];
    const values = escapedValues(told(kind, params, language.locale));
    const said = say(language, id, values, errors);
    const [error] = errors;
    if (error !== undefined) return `can't be said: ${error.message}`;
    if (said.trim() === '') return 'is empty';
    const why = id.endsWith('.subject') ? tagIn(said) : wrongHtml(said);
    if (why !== undefined) return `has ${why}`;
  }
  return undefined;
}

const tagIn = (subject: string): string | undefined => {
  const tag = /<[^>]*>/.exec(subject)?.[0];
  return tag && `${tag}: a subject is plain text`;
};
