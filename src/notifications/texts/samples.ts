import {
  type NoticeKind,
  type NoticeParams,
  noticeSpecs,
  type ParamType,
} from '../../outbox/kinds.ts';

// Possible params of each kind, for a preview and for the check of texts.

/** Numbers with different plurals in the languages of most customers. */
const counts = [30, 1, 2, 5, 21] as const;

const texts: Readonly<Record<string, string>> = {
  text: 'Tonight from 2 to 3 the node nl-1 is replaced.\nYour settings stay the same.',
  job: '7',
  worker: 'auto-renewal',
  subject: 'auto-renewal',
  error: 'connect ECONNREFUSED 10.0.0.5:5432',
  reason: 'no_price',
  item: '4711',
  sentence: 'customer 500000000: plan basic has no price for 45 days in RUB',
  node: 'nl-1',
  replica: 'host-2:4711',
  alarm: 'alarm_worker',
  channel: 'telegram:123456789',
  cause: 'locked by process 4711 (psql, idle in transaction, for 640 s)',
};
const amounts: Readonly<Record<string, string>> = {
  amount: '149.00',
  price: '149.00',
  new_price: '179.00',
  next_price: '149.00',
  missing: '49.50',
  others: '149.00',
  balance_after: '351.00',
  paid_out: '149.00',
};
const times: Readonly<Record<string, string>> = {
  starts_at: '2026-11-28T09:00:00.000Z',
  ends_at: '2026-12-28T09:00:00.000Z',
  from: '2026-12-28T09:00:00.000Z',
  paid_at: '2026-11-25T09:00:00.000Z',
  refunded_at: '2026-11-25T09:00:00.000Z',
};

const sampleChoices = JSON.stringify([
  {
    plan: 'basic',
    title: { en: 'Basic', ru: 'Базовый' },
    period_days: 30,
    amount: '149.00',
    currency: 'RUB',
  },
  {
    plan: 'plus',
    title: { en: 'Plus', ru: 'Плюс' },
    period_days: 90,
    amount: '699.00',
    currency: 'RUB',
  },
]);

/** Values that are usual only in one kind. */
const ownSamples: Partial<Record<NoticeKind, NoticeParams>> = {
  alarm_guard: { worker: 'fast-expiry-cleanup', subject: 'fast-expiry-cleanup' },
  alarm_money_guard: { worker: 'auto-renewal' },
  alarm_node: { reason: 'down' },
};

/** The missing values of each form. The first form is a usual one. */
const emptyParams: readonly ReadonlySet<string>[] = [
  new Set(['others', 'paid_at', 'paid_out', 'refunded_at', 'next_price']),
  new Set([
    'others',
    'paid_at',
    'paid_out',
    'refunded_at',
    'missing',
    'ends_at',
    'next_price',
    'from',
    'choices',
  ]),
  new Set(),
];

/** The longest displayed value: `values.ts` shortens longer ones. */
const longText = '&'.repeat(1_000);

/** The longest displayed values, in each form that may lack one. */
export function createLongSamples(kind: NoticeKind): NoticeParams[] {
  const types: Readonly<Record<string, ParamType>> = noticeSpecs[kind].params;
  return createFormsWith(kind, 2_147_483_647).map((form) =>
    Object.fromEntries(
      Object.entries(form).map(([name, value]) => {
        const type = types[name] as ParamType;
        return [name, value === null ? null : toLongValue(type, value)];
      }),
    ),
  );
}

function toLongValue(
  type: ParamType,
  value: NonNullable<NoticeParams[string]>,
): NoticeParams[string] {
  switch (type) {
    case 'money':
    case 'money?':
      return '92233720368547758.07';
    case 'time':
    case 'time?':
    case 'late':
      return '9999-09-30T23:59:59.999Z';
    case 'choices':
      return JSON.stringify(
        Array.from({ length: 20 }, () => ({
          ...{ plan: longText, title: { en: longText }, period_days: 3_660 },
          ...{ amount: '92233720368547758.07', currency: 'RUB' },
        })),
      );
    case 'plan':
    case 'text':
      return longText;
    case 'body':
      return longText.repeat(3);
    case 'currency':
    case 'count':
      return value;
  }
}

function toSampleValue(
  name: string,
  type: ParamType,
  count: number,
  isEmpty: boolean,
): NoticeParams[string] {
  switch (type) {
    case 'money':
      return amounts[name] ?? '149.00';
    case 'money?':
      return isEmpty ? null : (amounts[name] ?? '149.00');
    case 'currency':
      return 'RUB';
    case 'time':
      return times[name] ?? '2026-11-28T09:00:00.000Z';
    case 'time?':
    case 'late':
      return isEmpty ? null : (times[name] ?? '2026-11-28T09:00:00.000Z');
    case 'plan':
      return 'basic';
    case 'count':
      return count;
    case 'choices':
      return isEmpty ? null : sampleChoices;
    case 'text':
    case 'body':
      return texts[name] ?? 'text';
  }
}

/** Samples that cover each form of a kind. The first one is a usual one. */
export function createSamples(kind: NoticeKind): NoticeParams[] {
  const hasCount = Object.values<string>(noticeSpecs[kind].params).includes('count');
  return (hasCount ? counts : [30]).flatMap((count) => createFormsWith(kind, count));
}

/** The forms that differ by more than a number. */
export const createForms = (kind: NoticeKind): NoticeParams[] => createFormsWith(kind, counts[0]);

function createFormsWith(kind: NoticeKind, count: number): NoticeParams[] {
  const names = Object.entries<ParamType>(noticeSpecs[kind].params);
  const own = ownSamples[kind] ?? {};
  const forms = emptyParams.map((empty) =>
    Object.fromEntries(
      names.map(([name, type]) => [
        name,
        own[name] ?? toSampleValue(name, type, count, empty.has(name)),
      ]),
    ),
  );
  const seen = new Set<string>();
  return forms.filter((form) => {
    const text = JSON.stringify(form);
    return !seen.has(text) && seen.add(text);
  });
}

export const sampleTitle = { en: 'Basic', ru: 'Базовый' } as const;
export const longTitle = { en: longText } as const;
