import type { FluentVariable } from '@fluent/bundle';
import { type Instant, tryParseInstant } from '../../kernel/instant.ts';
import { isCurrency, minorDigits, tryParseMinor } from '../../kernel/money.ts';
import { isTimeZone } from '../../kernel/time-zone.ts';
import { chooseTitle } from '../../kernel/title.ts';
import {
  type NoticeKind,
  type NoticeParams,
  noticeSpecs,
  type ParamType,
} from '../../outbox/kinds.ts';
import type { PlanChoice } from '../../outbox/plan-choice.ts';
import { escapeHtml } from './html.ts';

// The values of a text. Every stored value can be displayed, so that a notification does not fail
// because of a value.

/** The language, zone and time of the reader. */
export interface DisplayContext {
  /** The language of the texts, as `ru`. */
  readonly locale: string;
  readonly timeZone: string;
  /** Dates of this year leave out the year. */
  readonly now: Instant | undefined;
  readonly planTitle: Readonly<Record<string, string>> | null;
}

const toKnownZone = (name: string): string => (isTimeZone(name) ? name : 'UTC');

/** English times are British: 28 November, 12:00. All readers understand them. */
export const toFormatLocale = (locale: string): string => (locale === 'en' ? 'en-GB' : locale);

/**
 * Creates each format once, because an Intl object costs more than all its uses. Zones, currencies
 * and languages limit the number.
 */
function cacheFormats<Options, Format>(create: (locale: string, options: Options) => Format) {
  const formats = new Map<string, Format>();
  return (locale: string, options: Options): Format => {
    const key = JSON.stringify([locale, options]);
    const format = formats.get(key) ?? create(locale, options);
    formats.set(key, format);
    return format;
  };
}
const getDateFormat = cacheFormats(
  (locale, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options),
);
const getNumberFormat = cacheFormats(
  (locale, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options),
);

function formatDate(at: Instant, { locale, timeZone, now }: DisplayContext): string {
  const zone = toKnownZone(timeZone);
  const year = (moment: Instant) =>
    getDateFormat('en', { timeZone: zone, year: 'numeric' }).format(moment);
  const sameYear = now !== undefined && year(at) === year(now);
  return getDateFormat(toFormatLocale(locale), {
    timeZone: zone,
    day: 'numeric',
    month: 'long',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(at);
}

/** UTC is named, because the customer's own zone may be unknown. */
function formatTime(at: Instant, { locale, timeZone }: DisplayContext): string {
  const zone = toKnownZone(timeZone);
  const time = getDateFormat(toFormatLocale(locale), {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(at);
  return zone === 'UTC' ? `${time} UTC` : time;
}

/** Whole amounts without zeros: 149 ₽, 149.50 ₽. Exact to the last digit. */
function formatMoney(major: string, currency: string, locale: string): string {
  if (!isCurrency(currency) || 'wrong' in tryParseMinor(major, currency))
    return `${major} ${currency}`;
  const [whole = '', fraction = ''] = major.split('.');
  const digits = /[1-9]/.test(fraction) ? minorDigits(currency) : 0;
  const amount = (digits === 0 ? whole : major) as Intl.StringNumericLiteral;
  const shape = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (currency === 'XTR') {
    return `${getNumberFormat(toFormatLocale(locale), shape).format(amount)} ⭐`;
  }
  return getNumberFormat(toFormatLocale(locale), {
    ...shape,
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
  }).format(amount);
}

/** The title of the plan in the language, else in English, else in any language, else its key. */
function choosePlanTitle(key: string, { locale, planTitle }: DisplayContext): string {
  return chooseTitle(planTitle ?? {}, locale) ?? key;
}

/** The values of a line of a subscription feed. */
export interface FeedFacts {
  readonly endedAt: Instant;
  /** The operator's text about payment. */
  readonly pay: string | undefined;
}

export function toFeedValues(
  { endedAt, pay }: FeedFacts,
  context: Omit<DisplayContext, 'planTitle'>,
): Values {
  const display = { ...context, planTitle: null };
  return {
    ended_at_date: formatDate(endedAt, display),
    pay: pay === undefined ? 'none' : toShownText(pay),
  };
}

/** Longer values are shortened. A message has 4,096 characters, and an error may have more. */
const textMax = 500;

function toShownText(text: string): string {
  const shown = text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ');
  return shown.length <= textMax
    ? shown
    : `${shown.slice(0, textMax).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The longest text of an operator. `bulk/job.ts` refuses longer ones. */
const bodyMax = 3_000;

const toBodyText = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[^\P{C}\n]+/gu, ' ')
    .slice(0, bodyMax)
    .toWellFormed();

/** Further choices are left out. A message has a limit, and the shop displays them all. */
const choicesMax = 8;
const choiceTitleMax = 60;

/** The stored choices; none if the text is not JSON. */
function parseChoices(stored: string): readonly PlanChoice[] {
  let read: unknown;
  try {
    read = JSON.parse(stored);
  } catch {
    return [];
  }
  const isChoice = (one: unknown): one is PlanChoice =>
    typeof one === 'object' &&
    one !== null &&
    'plan' in one &&
    'amount' in one &&
    'currency' in one &&
    typeof (one as PlanChoice).period_days === 'number';
  return Array.isArray(read) ? read.filter(isChoice) : [];
}

/** One choice a line: `• Basic, 30 days: 149 ₽`. `none` if there is none. */
function formatChoiceLines(stored: string, context: DisplayContext): string {
  const days = getNumberFormat(toFormatLocale(context.locale), {
    style: 'unit',
    unit: 'day',
    unitDisplay: 'long',
  });
  const lines = parseChoices(stored)
    .slice(0, choicesMax)
    .map((choice) => {
      const title = choosePlanTitle(choice.plan, { ...context, planTitle: choice.title });
      const shown = toShownText(String(title)).slice(0, choiceTitleMax).toWellFormed();
      const amount = toShownText(
        formatMoney(String(choice.amount), String(choice.currency), context.locale),
      );
      return `• ${shown}, ${days.format(choice.period_days)}: ${amount}`;
    });
  return lines.length === 0 ? 'none' : lines.join('\n');
}

type Values = Record<string, FluentVariable>;

function toParamValues(
  name: string,
  type: ParamType,
  params: NoticeParams,
  context: DisplayContext,
): Values {
  const value = params[name] ?? null;
  const text = String(value ?? '');
  switch (type) {
    case 'count':
      return { [name]: typeof value === 'number' ? value : Number(text) || 0 };
    case 'money':
    case 'money?':
      if (value === null) return { [name]: 'none' };
      return {
        [name]: toShownText(formatMoney(text, String(params.currency ?? ''), context.locale)),
      };
    case 'time':
    case 'time?':
    case 'late': {
      if (value === null)
        return { [name]: 'none', [`${name}_date`]: 'none', [`${name}_time`]: 'none' };
      const at = tryParseInstant(text);
      if (at === undefined) {
        const raw = toShownText(text);
        return { [name]: raw, [`${name}_date`]: raw, [`${name}_time`]: raw };
      }
      const [date, time] = [formatDate(at, context), formatTime(at, context)];
      return { [name]: `${date}, ${time}`, [`${name}_date`]: date, [`${name}_time`]: time };
    }
    case 'plan':
      return { [name]: toShownText(choosePlanTitle(text, context)) };
    case 'choices':
      return { [name]: value === null ? 'none' : formatChoiceLines(text, context) };
    case 'currency':
    case 'text':
      return { [name]: toShownText(text) };
    case 'body':
      return { [name]: toBodyText(text) };
  }
}

/** All values of the text of a kind, not escaped. */
export function toTextValues(
  kind: NoticeKind,
  params: NoticeParams,
  context: DisplayContext,
): Values {
  const types: Readonly<Record<string, ParamType>> = noticeSpecs[kind].params;
  return Object.assign(
    {},
    ...Object.entries(types).map(([name, type]) => toParamValues(name, type, params, context)),
  );
}

/** The same values for a text that is HTML. */
export function escapeValues(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? escapeHtml(value) : value,
    ]),
  );
}
