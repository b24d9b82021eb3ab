import { kinds, type NoticeKind, type Params, type ParamType } from '../kinds.ts';

// Params as they may be, for a preview, and to try each text with before anybody is told it.

/** Numbers whose plurals differ in the languages of the world's most customers. */
const counts = [30, 1, 2, 5, 21] as const;

const texts: Readonly<Record<string, string>> = {
  worker: 'auto-renewal',
  subject: 'auto-renewal',
  error: 'connect ECONNREFUSED 10.0.0.5:5432',
  reason: 'no_price',
  item: '4711',
  sentence: 'customer 500000000: plan basic has no price for 45 days in RUB',
  node: 'nl-1',
  replica: 'host-2:4711',
  alarm: 'alarm_worker',
};
const amounts: Readonly<Record<string, string>> = {
  amount: '149.00',
  price: '149.00',
  new_price: '179.00',
  missing: '49.50',
  balance_after: '351.00',
};
const times: Readonly<Record<string, string>> = {
  starts_at: '2026-11-28T09:00:00.000Z',
  ends_at: '2026-12-28T09:00:00.000Z',
};

/** What is only usual in one kind. */
const ownSamples: Partial<Record<NoticeKind, Params>> = {
  alarm_guard: { worker: 'fast-expiry-cleanup', subject: 'fast-expiry-cleanup' },
};

function sampleOf(name: string, type: ParamType, count: number, empty: boolean): Params[string] {
  switch (type) {
    case 'money':
      return amounts[name] ?? '149.00';
    case 'money?':
      return empty ? null : (amounts[name] ?? '149.00');
    case 'currency':
      return 'RUB';
    case 'time':
      return times[name] ?? '2026-11-28T09:00:00.000Z';
    case 'time?':
      return empty ? null : (times[name] ?? '2026-11-28T09:00:00.000Z');
    case 'plan':
      return 'basic';
    case 'count':
      return count;
    case 'text':
      return texts[name] ?? 'text';
  }
}

/** Of one kind, so that each form of its text is shown by one of them; the first is a usual one. */
export function samplesOf(kind: NoticeKind): Params[] {
  const types: Readonly<Record<string, ParamType>> = kinds[kind].params;
  const names = Object.entries(types);
  const own = ownSamples[kind] ?? {};
  const nullable = names.some(([, type]) => type.endsWith('?'));
  const counted = names.some(([, type]) => type === 'count');
  return (counted ? counts : [30]).flatMap((count) =>
    (nullable ? [false, true] : [false]).map((empty) =>
      Object.fromEntries(
        names.map(([name, type]) => [name, own[name] ?? sampleOf(name, type, count, empty)]),
      ),
    ),
  );
}

/** The forms that differ by more than a number. */
export const formsOf = (kind: NoticeKind): Params[] => {
  const nullable = Object.values(kinds[kind].params).some((type: string) => type.endsWith('?'));
  return samplesOf(kind).slice(0, nullable ? 2 : 1);
};

export const sampleTitle = { en: 'Basic', ru: 'Базовый' } as const;
