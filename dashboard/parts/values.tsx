import { useLanguage } from '../shell/language.tsx';

// Values as a person reads them: money, times, counts.

const currencyFormats = new Map<string, Intl.NumberFormat | null>();

/** Text in major units beside its currency, without a detour over a binary number. */
function formatMoney(language: string, amount: string, currency: string): string {
  const name = `${language} ${currency}`;
  if (!currencyFormats.has(name)) {
    // XTR (Telegram Stars) is not a currency of ISO 4217.
    const isKnown = Intl.supportedValuesOf('currency').includes(currency);
    const decimals = amount.split('.')[1]?.length ?? 0;
    const options = { style: 'currency', currency, minimumFractionDigits: decimals } as const;
    currencyFormats.set(name, isKnown ? new Intl.NumberFormat(language, options) : null);
  }
  const format = currencyFormats.get(name);
  return format ? format.format(amount as unknown as number) : `${amount} ${currency}`;
}

export function useFormats() {
  const language = useLanguage();
  return {
    /** @param amount text in major units, like "149.50" */
    money: (amount: string, currency: string) => formatMoney(language, amount, currency),
    count: (value: number) => value.toLocaleString(language),
    time: (iso: string) =>
      new Date(iso).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' }),
    day: (iso: string) => new Date(iso).toLocaleDateString(language, { dateStyle: 'medium' }),
    /** A calendar day in UTC, like "2026-12-05", in any zone of the browser. */
    dayOf: (day: string) =>
      new Date(day).toLocaleDateString(language, { dateStyle: 'full', timeZone: 'UTC' }),
    /** "5 Dec". */
    shortDay: (day: string) =>
      new Date(day).toLocaleDateString(language, {
        day: 'numeric',
        month: 'short',
        timeZone: 'UTC',
      }),
    /** Milliseconds in the largest unit that fits: "2.4 sec". */
    duration: (ms: number) => formatDuration(language, ms),
    /** @param share of 1 */
    percent: (share: number) =>
      share.toLocaleString(language, { style: 'percent', maximumFractionDigits: 1 }),
    /** "in 3 hours", "2 days ago". */
    relative: (iso: string, now = Date.now()) => formatRelative(language, Date.parse(iso) - now),
  };
}

const units = [
  ['year', 31_536_000_000],
  ['month', 2_592_000_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

function formatRelative(language: string, deltaMs: number): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const [unit, unitMs] = units.find(([, ms]) => Math.abs(deltaMs) >= ms) ?? ['second', 1_000];
  return format.format(Math.round(deltaMs / unitMs), unit);
}

const durationUnits = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

function formatDuration(language: string, ms: number): string {
  const [unit, unitMs] = durationUnits.find(([, each]) => ms >= 1.5 * each || ms === each) ?? [
    'second',
    1_000,
  ];
  const maximumFractionDigits = ms >= 10 * unitMs ? 0 : 1;
  const options = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits } as const;
  return (ms / unitMs).toLocaleString(language, options);
}

/** An amount; negative amounts have a class. */
export function Money({ amount, currency }: { amount: string; currency: string }) {
  const { money } = useFormats();
  return (
    <span class={amount.startsWith('-') ? 'money negative' : 'money'}>
      {money(amount, currency)}
    </span>
  );
}

/** A time in the zone of the browser. Its title has the time in UTC. */
export function Time({ at, isRelative = false }: { at: string | null; isRelative?: boolean }) {
  const { time, relative } = useFormats();
  if (at === null) return <span>–</span>;
  return (
    <time dateTime={at} title={at}>
      {isRelative ? relative(at) : time(at)}
    </time>
  );
}

/** A state in a word and a colour. */
export function Badge({ tone, text }: { tone: Tone; text: string }) {
  return <span class={`badge ${tone}`}>{text}</span>;
}

export type Tone = 'good' | 'bad' | 'warning' | 'neutral';
