import {
  type NoticeKind,
  type NoticeParams,
  noticeKinds,
  noticeSpecs,
} from '../../outbox/kinds.ts';
import type { ButtonTemplates } from './buttons.ts';
import { checkFeedLine, feedLines, isFeedLine } from './feed-lines.ts';
import { createTextFault, type TextFile } from './fluent.ts';
import { checkHtml, messageMax, toPlainText } from './html.ts';
import { formatText, type Language } from './language.ts';
import { checkNames } from './names.ts';
import { createLongSamples, createSamples, longTitle, sampleTitle } from './samples.ts';
import { escapeValues, toTextValues } from './values.ts';

// Checks that a language has a valid text for each kind, in each of its forms.
//
// Each form is rendered with every value, also the longest one, in HTML and with buttons that
// Telegram accepts. The check runs once at the start. A text that passes here and that Telegram
// refuses would fail each notification of its kind.

/**
 * @throws UsageFault that names the file, the text, the language, the problem and the allowed
 * values
 */
export function checkLanguage(
  language: Language,
  files: readonly TextFile[],
  buttons: ButtonTemplates,
): void {
  const { locale, texts } = language;
  const createFault = (id: string, detail: string) => {
    const [name = ''] = id.split('.');
    const file = [...files].reverse().find(({ source }) => hasText(source, name)) ?? files[0];
    return createTextFault(file?.path ?? locale, `${id} (${locale}) ${detail}`);
  };
  for (const id of texts.keys()) {
    if (!isKnown(id))
      throw createFault(
        id,
        `is not a text; available: ${[...noticeKinds, ...feedLines].join(', ')}, button_NAME`,
      );
  }
  for (const kind of noticeKinds) {
    for (const id of [kind, `${kind}.subject`]) {
      if (!texts.has(id)) throw createFault(id, 'is missing');
      const problem =
        checkNames(language, id, readValueNames(kind, locale)) ?? checkForms(language, id, kind);
      if (problem !== undefined) throw createFault(id, problem);
    }
  }
  for (const { text } of Object.values(buttons).flat(2)) {
    if (!texts.has(text)) throw createFault(text, 'is missing; a button uses it');
  }
  for (const id of texts.keys()) {
    const problem = checkOtherText(language, id);
    if (problem !== undefined) throw createFault(id, problem);
  }
}

const hasText = (source: string, id: string): boolean =>
  source.split(/\r?\n/).some((line) => line.startsWith(id) && /^\s*=/.test(line.slice(id.length)));

const isKnown = (id: string): boolean => {
  const [name, attribute] = id.split('.') as [string, string | undefined];
  if (attribute !== undefined) return attribute === 'subject' && Object.hasOwn(noticeSpecs, name);
  return Object.hasOwn(noticeSpecs, name) || isFeedLine(name) || /^(button_\w+|-.*)$/.test(name);
};

const createValues = (
  kind: NoticeKind,
  params: NoticeParams,
  locale: string,
  planTitle: PlanTitle = sampleTitle,
) => toTextValues(kind, params, { locale, timeZone: 'Europe/Moscow', now: undefined, planTitle });
type PlanTitle = Readonly<Record<string, string>>;

const readValueNames = (kind: NoticeKind, locale: string): string[] =>
  Object.keys(createValues(kind, createSamples(kind)[0] ?? {}, locale));

/** The first problem of the rendered forms. */
function checkForms(language: Language, id: string, kind: NoticeKind): string | undefined {
  const { locale } = language;
  const usual = createSamples(kind).map((params) => createValues(kind, params, locale));
  const long = createLongSamples(kind).map((params) =>
    createValues(kind, params, locale, longTitle),
  );
  for (const values of [...usual, ...long]) {
    const errors: Error[] = [];
    const text = formatText(language, id, escapeValues(values), errors);
    const [error] = errors;
    if (error !== undefined) return `cannot be rendered: ${error.message}`;
    if (text.trim() === '') return 'is empty';
    const problem = id.endsWith('.subject') ? findTag(text, 'a subject') : checkMessage(text);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The problem of a text that belongs to no kind. */
function checkOtherText(language: Language, id: string): string | undefined {
  if (id.startsWith('button_')) return checkLabel(language, id);
  if (isFeedLine(id)) return checkFeedLine(language, id);
  return id.startsWith('-') ? checkNames(language, id) : undefined;
}

function checkMessage(html: string): string | undefined {
  const problem = checkHtml(html);
  if (problem !== undefined) return `has ${problem}`;
  const shown = toPlainText(html);
  if (shown.trim() === '') return `shows nothing: "${html.trim()}" is no more than tags`;
  if (shown.length <= messageMax) return undefined;
  return `is ${shown.length} characters long with the longest values; Telegram takes ${messageMax}`;
}

function checkLabel(language: Language, id: string): string | undefined {
  const errors: Error[] = [];
  const problem = checkNames(language, id, []);
  if (problem !== undefined) return problem;
  const label = formatText(language, id, {}, errors);
  if (label.trim() === '') return 'is empty; expected a text for the button';
  return findTag(label, "a button's text");
}

const findTag = (text: string, subject: string): string | undefined => {
  const tag = /<[^>]*>/.exec(text)?.[0];
  return tag && `has ${tag}: ${subject} is plain text`;
};
