import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SubscriptionId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';
import type { NoticeKind, Params } from './kinds.ts';
import { type Button, type ButtonPlans, buttonOf, readButtons } from './texts/buttons.ts';
import { checkLanguage } from './texts/check.ts';
import { type FeedLine, feedLine } from './texts/feed-lines.ts';
import { badText, type TextFile } from './texts/fluent.ts';
import { plainOf } from './texts/html.ts';
import { type Language, openLanguage, say } from './texts/language.ts';
import { escapedValues, type FeedFacts, valuesOf } from './texts/values.ts';

// What a notice says, in the language and by the clock of whoever reads it. The texts are files:
// ours, and those of the operator's folder, which win. All of them are tried at the start, each
// kind in each language, so that nobody's message is the first to find a mistake.

/** What is said. */
export interface Said {
  readonly kind: NoticeKind;
  readonly params: Params;
  /** Title by language of the plan that the params name. */
  readonly planTitle?: Readonly<Record<string, string>> | null;
  readonly subscriptionId?: SubscriptionId | null;
}

/** To whom. */
export interface Reader {
  /** A BCP 47 tag; of a language that there are no texts in, English. */
  readonly locale: string;
  /** IANA's; one that isn't known is taken for UTC. */
  readonly timeZone: string;
  /** To leave out the year in dates of this one. */
  readonly now?: Instant;
}

export interface Rendered {
  /** The language that it is in. */
  readonly locale: string;
  /** Telegram's HTML. */
  readonly html: string;
  readonly plain: string;
  /** One line, plain. */
  readonly subject: string;
  /** Rows of buttons. */
  readonly buttons: readonly (readonly Button[])[];
}

export interface Texts {
  readonly locales: readonly string[];
  /** Never throws: a value is shown as it is where it can't be shown better. */
  render(said: Said, reader: Reader): Rendered;
  /** A line of a subscription feed, plain: the name of an entry. */
  line(name: FeedLine, facts: FeedFacts, reader: Reader): string;
}

const ownFolder = fileURLToPath(new URL('./texts/', import.meta.url));
const buttonsFile = 'buttons.yaml';

/**
 * Reads and checks all texts. @param options.folder the operator's own: `ru.ftl`, `en.ftl`,
 * another language's, `buttons.yaml`. @throws UsageFault naming file, text and language
 */
export function openTexts(options: { readonly folder?: string | undefined } = {}): Texts {
  const own = readFolder(ownFolder);
  const theirs = options.folder === undefined ? nothing : readFolder(options.folder);
  const buttons: ButtonPlans = { ...own.buttons, ...theirs.buttons };
  const locales = [...new Set([...own.files, ...theirs.files].map(({ locale }) => locale))];
  const languages = new Map(
    locales.map((locale) => {
      const files = [...own.files, ...theirs.files].filter((file) => file.locale === locale);
      const language = openLanguage(locale, files);
      checkLanguage(language, files, buttons);
      return [locale, language];
    }),
  );
  return {
    locales,
    render: (said, reader) => render(languageOf(languages, reader.locale), buttons, said, reader),
    line: (name, facts, { locale: wanted, timeZone, now }) => {
      const found = languageOf(languages, wanted);
      const language = found.texts.has(name) ? found : languageOf(languages, 'en');
      return feedLine(language, name, facts, { locale: language.locale, timeZone, now });
    },
  };
}

interface Folder {
  readonly files: readonly TextFile[];
  readonly buttons: ButtonPlans;
}

const nothing: Folder = { files: [], buttons: {} };

function readFolder(folder: string): Folder {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw badText(folder, 'is not a folder (notices.folder)');
  }
  const names = readdirSync(folder).filter((name) => /\.(ftl|ya?ml)$/.test(name));
  const files = names
    .filter((name) => name !== buttonsFile)
    .map((name) => {
      const path = join(folder, name);
      const locale = basename(name, '.ftl');
      if (!/^[a-z]{2,3}(-[A-Z]{2})?\.ftl$/.test(name)) {
        throw badText(path, `is no file of texts; en.ftl, pt-BR.ftl and ${buttonsFile} are`);
      }
      return { path, locale, source: readFileSync(path, 'utf8') };
    });
  const path = join(folder, buttonsFile);
  const buttons = names.includes(buttonsFile) ? readButtons(path, readFileSync(path, 'utf8')) : {};
  return { files, buttons };
}

/** `pt-BR`, else `pt`, else English. */
function languageOf(languages: ReadonlyMap<string, Language>, locale: string): Language {
  const found = languages.get(locale) ?? languages.get(locale.split('-')[0] as string);
  return found ?? (languages.get('en') as Language);
}

function render(
  language: Language,
  plans: ButtonPlans,
  { kind, params, planTitle = null, subscriptionId = null }: Said,
  { timeZone, now }: Reader,
): Rendered {
  const { locale } = language;
  const values = valuesOf(kind, params, { locale, timeZone, now, planTitle });
  const html = say(language, kind, escapedValues(values));
  return {
    locale,
    html,
    plain: plainOf(html),
    subject: say(language, `${kind}.subject`, values).replaceAll(/\s+/g, ' '),
    buttons: (plans[kind] ?? []).map((row) =>
      row.map((plan) => buttonOf(plan, say(language, plan.text, {}), subscriptionId)),
    ),
  };
}
