import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SubscriptionId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';
import type { NoticeKind, NoticeParams } from '../outbox/kinds.ts';
import type { MessageButton } from './channels/channel.ts';
import { type ButtonTemplates, createButton, readButtons } from './texts/buttons.ts';
import { checkLanguage } from './texts/check.ts';
import { type FeedLine, renderFeedLine } from './texts/feed-lines.ts';
import { createTextFault, type TextFile } from './texts/fluent.ts';
import { toPlainText } from './texts/html.ts';
import { formatText, type Language, openLanguage } from './texts/language.ts';
import { escapeValues, type FeedFacts, toTextValues } from './texts/values.ts';

// The texts of notifications, in the language and time zone of their reader.
//
// The texts are files: the built-in ones, and those of the operator's folder, which take
// precedence. At the start every kind is checked in every language. So a mistake is found before
// the first message.

/** The content. */
export interface RenderRequest {
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
  /** The title by language of the plan in `params`. */
  readonly planTitle?: Readonly<Record<string, string>> | null;
  readonly subscriptionId?: SubscriptionId | null;
}

/** The recipient. */
export interface Reader {
  /** A BCP 47 tag. A language without texts falls back to English. */
  readonly locale: string;
  /** An IANA name. An unknown zone counts as UTC. */
  readonly timeZone: string;
  /** Dates of the year of `now` leave out the year. */
  readonly now?: Instant;
}

export interface RenderedNotice {
  /** The language of the text. */
  readonly locale: string;
  /** Telegram's HTML. */
  readonly html: string;
  readonly plain: string;
  /** One line, plain. */
  readonly subject: string;
  /** In rows. */
  readonly buttons: readonly (readonly MessageButton[])[];
}

export interface Texts {
  readonly locales: readonly string[];
  /** Never throws. A value that cannot be formatted is displayed as stored. */
  render(request: RenderRequest, reader: Reader): RenderedNotice;
  /** One line of a subscription feed, plain: the name of an entry. */
  renderFeedLine(name: FeedLine, facts: FeedFacts, reader: Reader): string;
}

const builtInFolder = fileURLToPath(new URL('./texts/', import.meta.url));
const buttonsFile = 'buttons.yaml';

/**
 * Reads and checks all texts.
 * @param options.folder the operator's folder: `ru.ftl`, `en.ftl`, other languages, `buttons.yaml`
 * @throws UsageFault that names file, text and language
 */
export function openTexts(options: { readonly folder?: string | undefined } = {}): Texts {
  const builtIn = readFolder(builtInFolder);
  const custom = options.folder === undefined ? emptyFolder : readFolder(options.folder);
  const buttons: ButtonTemplates = { ...builtIn.buttons, ...custom.buttons };
  const locales = [...new Set([...builtIn.files, ...custom.files].map(({ locale }) => locale))];
  const languages = new Map(
    locales.map((locale) => {
      const files = [...builtIn.files, ...custom.files].filter((file) => file.locale === locale);
      const language = openLanguage(locale, files);
      checkLanguage(language, files, buttons);
      return [locale, language];
    }),
  );
  return {
    locales,
    render: (request, reader) =>
      renderNotice(chooseLanguage(languages, reader.locale), buttons, request, reader),
    renderFeedLine: (name, facts, { locale: requestedLocale, timeZone, now }) => {
      const chosen = chooseLanguage(languages, requestedLocale);
      const language = chosen.texts.has(name) ? chosen : chooseLanguage(languages, 'en');
      return renderFeedLine(language, name, facts, { locale: language.locale, timeZone, now });
    },
  };
}

interface Folder {
  readonly files: readonly TextFile[];
  readonly buttons: ButtonTemplates;
}

const emptyFolder: Folder = { files: [], buttons: {} };

function readFolder(folder: string): Folder {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw createTextFault(folder, 'is not a folder (notices.folder)');
  }
  const names = readdirSync(folder).filter((name) => /\.(ftl|ya?ml)$/.test(name));
  const files = names
    .filter((name) => name !== buttonsFile)
    .map((name) => {
      const path = join(folder, name);
      const locale = basename(name, '.ftl');
      if (!/^[a-z]{2,3}(-[A-Z]{2})?\.ftl$/.test(name)) {
        throw createTextFault(
          path,
          `is not a file of texts; expected en.ftl, pt-BR.ftl or ${buttonsFile}`,
        );
      }
      return { path, locale, source: readFileSync(path, 'utf8') };
    });
  const path = join(folder, buttonsFile);
  const buttons = names.includes(buttonsFile) ? readButtons(path, readFileSync(path, 'utf8')) : {};
  return { files, buttons };
}

/** `pt-BR`, else `pt`, else English. */
function chooseLanguage(languages: ReadonlyMap<string, Language>, locale: string): Language {
  const language = languages.get(locale) ?? languages.get(locale.split('-')[0] as string);
  return language ?? (languages.get('en') as Language);
}

function renderNotice(
  language: Language,
  templates: ButtonTemplates,
  { kind, params, planTitle = null, subscriptionId = null }: RenderRequest,
  { timeZone, now }: Reader,
): RenderedNotice {
  const { locale } = language;
  const values = toTextValues(kind, params, { locale, timeZone, now, planTitle });
  const html = formatText(language, kind, escapeValues(values));
  return {
    locale,
    html,
    plain: toPlainText(html),
    subject: formatText(language, `${kind}.subject`, values).replaceAll(/\s+/g, ' '),
    buttons: (templates[kind] ?? []).map((row) =>
      row.map((template) =>
        createButton(template, formatText(language, template.text, {}), subscriptionId),
      ),
    ),
  };
}
