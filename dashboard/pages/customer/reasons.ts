import { useFormats } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';

// Reasons of the API in the language of the page. A code of a newer API has its English sentence.

export interface Reason {
  readonly code: string;
  readonly params: Readonly<Record<string, string | number | null>>;
  readonly sentence: string;
}

type Topic = 'charge' | 'access' | 'node' | 'notice';

const moneyNames: ReadonlySet<string> = new Set(['missing', 'others']);
const isTimeName = (name: string): boolean => /(_at|^until|since)$/.test(name);

export function useReasonText(): (topic: Topic, reason: Reason) => string {
  const t = useText();
  const hasText = useHasText();
  const { time, money } = useFormats();
  const format = (params: Reason['params'], name: string): string | number => {
    const value = params[name] ?? '';
    if (typeof value === 'string' && value !== '' && isTimeName(name)) return time(value);
    if (moneyNames.has(name)) return money(String(value), String(params.currency));
    return value;
  };
  return (topic, { code, params, sentence }) => {
    const id = `customer-${topic}-${code}`;
    // A text may have a second form with the amount that other subscriptions take first.
    const form = Number(params.others ?? 0) > 0 ? `${id}-others` : id;
    const known = [form, id].find(hasText);
    if (known === undefined) return sentence;
    const names = Object.keys(params);
    return t(known, Object.fromEntries(names.map((name) => [name, format(params, name)])));
  };
}
