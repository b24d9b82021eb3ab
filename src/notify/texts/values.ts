import type { FluentVariable } from '@fluent/bundle';
import { type Instant, readInstant } from '../../kernel/instant.ts';
import { isCurrency, minorDigits, readMinor } from '../../kernel/money.ts';
import { isTimeZone } from '../../kernel/time-zone.ts';
import type { Choice } from '../choice.ts';
import { kinds, type NoticeKind, type Params, type ParamType } from '../kinds.ts';
import { escaped } from './html.ts';

// Values as a text shows them. Whatever stands in a row is shown somehow: a notice that is owed
// must not fail on the value that it tells.

/** In whose language, zone and time. */
export interface Eyes {
  /** Of the texts, as `ru`. */
  readonly locale: string;
  readonly timeZone: string;
  /** To leave out the year that everybody knows. */
  readonly now: Instant | undefined;
  readonly planTitle: Readonly<Record<string, string>> | null;
}

const zoneOrUtc = (name: string): string => (isTimeZone(name) ? name : 'UTC');

/** English times are British: 28 November, 12:00. Everybody reads them. */
export const formatLocale = (locale: string): string => (locale === 'en' ? 'en-GB' : locale);

/**
 * Made once: an Intl object costs more than all that it formats. Bounded by zones, currencies and
 * languages.
 */
function kept<Options, Format>(make: (locale: string, options: Options) => Format) {
  const formats = new Map<string, Format>();
  return (locale: string, options: Options): Format => {
    const key = JSON.stringify([locale, options]);
    const format = formats.get(key) ?? make(locale, options);
    formats.set(key, format);
    return format;
  };
}
const dateFormat = kept(
  (locale, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options),
);
const numberFormat = kept(
  (locale, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options),
);

function dateOf(at: Instant, { locale, timeZone, now }: Eyes): string {
  const zone = zoneOrUtc(timeZone);
  const year = (moment: Instant) =>
    dateFormat('en', { timeZone: zone, year: 'numeric' }).format(moment);
  const sameYear = now !== undefined && year(at) === year(now);
  return dateFormat(formatLocale(locale), {
    timeZone: zone,
    day: 'numeric',
    month: 'long',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(at);
}

/** UTC is said: it may be the zone of somebody whose own nobody knows. */
function timeOf(at: Instant, { locale, timeZone }: Eyes): string {
  const zone = zoneOrUtc(timeZone);
  const time = dateFormat(formatLocale(locale), {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(at);
  return zone === 'UTC' ? `${time} UTC` : time;
}

/** Whole amounts without their zeros: 149 ₽, 149.50 ₽. Exact to the last digit. */
function moneyOf(major: string, currency: string, locale: string): string {
  if (!isCurrency(currency) || 'wrong' in readMinor(major, currency)) return `${major} ${currency}`;
  const [whole = '', fraction = ''] = major.split('.');
  const digits = /[1-9]/.test(fraction) ? minorDigits(currency) : 0;
  const amount = (digits === 0 ? whole : major) as Intl.StringNumericLiteral;
  const shape = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (currency === 'XTR') {
    return `${numberFormat(formatLocale(locale), shape).format(amount)} ⭐`;
  }
  return numberFormat(formatLocale(locale), {
    ...shape,
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
  }).format(amount);
}

/** A text by language: in this one, else in English, else in any. */
export function titleIn(
  titles: Readonly<Record<string, string>>,
  locale: string,
): string | undefined {
  return (
    titles[locale] ??
    titles[locale.split('-')[0] as string] ??
    titles.en ??
    Object.values(titles)[0]
  );
}

/** The plan's title in the language, else in English, else in any, else its key. */
function titleOf(key: string, { locale, planTitle }: Eyes): string {
  return titleIn(planTitle ?? {}, locale) ?? key;
}

/** What a line of a subscription feed may name. */
export interface FeedFacts {
  readonly endedAt: Instant;
  /** The operator's own text on how to pay. */
  readonly pay: string | undefined;
}

export function feedValues({ endedAt, pay }: FeedFacts, eyes: Omit<Eyes, 'planTitle'>): Values {
  const of = { ...eyes, planTitle: null };
  return { ended_at_date: dateOf(endedAt, of), pay: pay === undefined ? 'none' : textOf(pay) };
}

/** Longer ones are cut: a message has 4,096 characters, and an error may have more. */
const textMax = 500;

function textOf(text: string): string {
  const shown = text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ');
  return shown.length <= textMax
    ? shown
    : `${shown.slice(0, textMax).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** More are cut: a message has a limit, and the shop shows them all. */
const choicesMax = 8;
const choiceTitleMax = 60;

/** The stored choices; none if the text is something else. */
function readChoices(stored: string): readonly Choice[] {
  let read: unknown;
  try {
    read = JSON.parse(stored);
  } catch {
    return [];
  }
  const isChoice = (one: unknown): one is Choice =>
    typeof one === 'object' &&
    one !== null &&
    'plan' in one &&
    'amount' in one &&
    'currency' in one &&
    typeof (one as Choice).period_days === 'number';
  return Array.isArray(read) ? read.filter(isChoice) : [];
}

/** One choice a line: `• Basic, 30 days: 149 ₽`. `none` if there is none. */
function choicesOf(stored: string, eyes: Eyes): string {
  const days = numberFormat(formatLocale(eyes.locale), {
    style: 'unit',
    unit: 'day',
    unitDisplay: 'long',
  });
  const lines = readChoices(stored)
    .slice(0, choicesMax)
    .map((choice) => {
      const title = titleOf(choice.plan, { ...eyes, planTitle: choice.title });
      const shown = textOf(String(title)).slice(0, choiceTitleMax).toWellFormed();
      const amount = textOf(moneyOf(String(choice.amount), String(choice.currency), eyes.locale));
      return `• ${shown}, ${days.format(choice.period_days)}: ${amount}`;
    });
  return lines.length === 0 ? 'none' : lines.join('\n');
}

type Values = Record<string, FluentVariable>;

function valuesOfOne(name: string, type: ParamType, params: Params, eyes: Eyes): Values {
  const value = params[name] ?? null;
  const text = String(value ?? '');
  switch (type) {
    case 'count':
      return { [name]: typeof value === 'number' ? value : Number(text) || 0 };
    case 'money':
    case 'money?':
      if (value === null) return { [name]: 'none' };
      return { [name]: textOf(moneyOf(text, String(params.currency ?? ''), eyes.locale)) };
    case 'time':
    case 'time?':
    case 'late': {
      if (value === null)
        return { [name]: 'none', [`${name}_date`]: 'none', [`${name}_time`]: 'none' };
      const at = readInstant(text);
      if (at === undefined) {
        const raw = textOf(text);
        return { [name]: raw, [`${name}_date`]: raw, [`${name}_time`]: raw };
      }
      const [date, time] = [dateOf(at, eyes), timeOf(at, eyes)];
      return { [name]: `${date}, ${time}`, [`${name}_date`]: date, [`${name}_time`]: time };
    }
    case 'plan':
      return { [name]: textOf(titleOf(text, eyes)) };
    case 'choices':
      return { [name]: value === null ? 'none' : choicesOf(text, eyes) };
    case 'currency':
    case 'text':
      return { [name]: textOf(text) };
  }
}

/** All that the text of a kind is told, raw. */
export function valuesOf(kind: NoticeKind, params: Params, eyes: Eyes): Values {
  const types: Readonly<Record<string, ParamType>> = kinds[kind].params;
  return Object.assign(
    {},
    ...Object.entries(types).map(([name, type]) => valuesOfOne(name, type, params, eyes)),
  );
}

/** The same for a text that is HTML. */
export function escapedValues(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? escaped(value) : value,
    ]),
  );
}
