import { kinds, type NoticeKind, noticeKinds, type Params } from '../kinds.ts';
import type { ButtonPlans } from './buttons.ts';
import { feedLines, isFeedLine, wrongFeedLine } from './feed-lines.ts';
import { badText, type TextFile } from './fluent.ts';
import { plainOf, shownMax, wrongHtml } from './html.ts';
import { type Language, say } from './language.ts';
import { wrongNames } from './names.ts';
import { longTitle, longValuesOf, samplesOf, sampleTitle } from './samples.ts';
import { escapedValues, valuesOf } from './values.ts';

// Whether a language can say everything: each kind, in each of its forms, with every value, also
// the longest, in HTML and with buttons that Telegram takes. Asked once, at the start: what passes
// here and is refused by Telegram would fail each notice of its kind.

/** @throws UsageFault naming the file, the text, the language, what was found, what is allowed */
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
      throw wrong(
        id,
        `is no text; there is ${[...noticeKinds, ...feedLines].join(', ')}, button_NAME`,
      );
  }
  for (const kind of noticeKinds) {
    for (const id of [kind, `${kind}.subject`]) {
      if (!texts.has(id)) throw wrong(id, 'is missing');
      const why =
        wrongNames(language, id, namesTold(kind, locale)) ?? wrongForms(language, id, kind);
      if (why !== undefined) throw wrong(id, why);
    }
  }
  for (const { text } of Object.values(buttons).flat(2)) {
    if (!texts.has(text)) throw wrong(text, 'is missing: a button is to say it');
  }
  for (const id of texts.keys()) {
    const why = wrongPlain(language, id);
    if (why !== undefined) throw wrong(id, why);
  }
}

const hasText = (source: string, id: string): boolean =>
  source.split(/\r?\n/).some((line) => line.startsWith(id) && /^\s*=/.test(line.slice(id.length)));

const isKnown = (id: string): boolean => {
  const [name, attribute] = id.split('.') as [string, string | undefined];
  if (attribute !== undefined) return attribute === 'subject' && Object.hasOwn(kinds, name);
  return Object.hasOwn(kinds, name) || isFeedLine(name) || /^(button_\w+|-.*)$/.test(name);
};

const told = (kind: NoticeKind, params: Params, locale: string, planTitle: Title = sampleTitle) =>
  valuesOf(kind, params, { locale, timeZone: 'Europe/Moscow', now: undefined, planTitle });
type Title = Readonly<Record<string, string>>;

const namesTold = (kind: NoticeKind, locale: string): string[] =>
  Object.keys(told(kind, samplesOf(kind)[0] ?? {}, locale));

/** What goes wrong when it is said. */
function wrongForms(language: Language, id: string, kind: NoticeKind): string | undefined {
  const { locale } = language;
  const usual = samplesOf(kind).map((params) => told(kind, params, locale));
  const long = longValuesOf(kind).map((params) => told(kind, params, locale, longTitle));
  for (const values of [...usual, ...long]) {
    const errors: Error[] = [];
    const said = say(language, id, escapedValues(values), errors);
    const [error] = errors;
    if (error !== undefined) return `can't be said: ${error.message}`;
    if (said.trim() === '') return 'is empty';
    const why = id.endsWith('.subject') ? tagIn(said, 'a subject') : wrongMessage(said);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** What is wrong with a text that is of no kind. */
function wrongPlain(language: Language, id: string): string | undefined {
  if (id.startsWith('button_')) return wrongLabel(language, id);
  if (isFeedLine(id)) return wrongFeedLine(language, id);
  return id.startsWith('-') ? wrongNames(language, id) : undefined;
}

function wrongMessage(html: string): string | undefined {
  const why = wrongHtml(html);
  if (why !== undefined) return `has ${why}`;
  const shown = plainOf(html);
  if (shown.trim() === '') return `shows nothing: "${html.trim()}" is no more than tags`;
  if (shown.length <= shownMax) return undefined;
  return `is ${shown.length} characters long with the longest values; Telegram takes ${shownMax}`;
}

function wrongLabel(language: Language, id: string): string | undefined {
  const errors: Error[] = [];
  const why = wrongNames(language, id, []);
  if (why !== undefined) return why;
  const label = say(language, id, {}, errors);
  if (label.trim() === '') return 'is empty: a button has to say something';
  return tagIn(label, "a button's text");
}

const tagIn = (text: string, what: string): string | undefined => {
  const tag = /<[^>]*>/.exec(text)?.[0];
  return tag && `has ${tag}: ${what} is plain text`;
};
