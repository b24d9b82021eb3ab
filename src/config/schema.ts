import { z } from 'zod';
import { dayMs, hourMs, tryParseDurationMs } from '../kernel/instant.ts';
import { isCurrency } from '../kernel/money.ts';
import { isNetwork, notANetworkText } from '../kernel/network.ts';
import { isTimeZone } from '../kernel/time-zone.ts';
import { notAnAddressText, tryParseEndpoint } from '../xray/address.ts';
import { linkFlows, notAFlowText } from '../xray/flow.ts';

// The schema of the configuration file. `issue-text.ts` has the texts of its faults.

/** Longer than any useful duration; later times still fit into a timestamp. */
const durationMaxMs = 3_660 * dayMs;

const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  const ms = tryParseDurationMs(String(value));
  if (ms !== undefined && ms > 0 && ms <= durationMaxMs) return ms;
  context.addIssue({
    code: 'custom',
    message: 'is not a duration up to 3660d; expected one like 15s, 10m, 6h or 7d',
  });
  return z.NEVER;
});

/** A duration, or 0 and `off` to switch it off. */
const durationOrZero = z.union(
  [
    z.union([z.literal(0), z.literal('0'), z.literal('off'), z.literal(false)]).transform(() => 0),
    duration,
  ],
  { error: 'is not a duration up to 3660d; expected one like 7d, or 0 for off' },
);

const onOff = z
  .union([z.boolean(), z.enum(['on', 'off'])], { error: 'is not a switch; expected on or off' })
  .transform((value) => value === true || value === 'on');

/** A duration of at least this number of days. */
const toMinimumDuration = (days: number) =>
  duration.refine((ms) => ms >= days * dayMs, `is too short; expected at least ${days}d`);

const periodDays = z
  .string()
  .refine(
    (text) => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= 3_660,
    'is not a number of days; expected 1 to 3660',
  );

const aheadText =
  'is not a duration; expected one like 3d, off, or durations by length like { 30: off, 90: 3d }';
const durationOrOff = z.union([z.literal('off'), z.literal(false), duration], { error: aheadText });

interface AheadEntry {
  readonly from_days: number;
  readonly ahead_ms: number | null;
}

/** One duration for every length, or durations by the least length in days. */
const renewalAhead = z
  .union([durationOrOff, z.record(z.string(), durationOrOff)], { error: aheadText })
  .transform((value, context): AheadEntry[] => {
    const byDays = typeof value === 'object' ? Object.entries(value) : [['1', value] as const];
    return byDays.map(([days, ahead]) => {
      const { success } = periodDays.safeParse(days);
      if (!success) {
        context.addIssue({
          code: 'custom',
          message: `"${days}" is not a number of days; expected 1 to 3660`,
        });
      }
      return { from_days: Number(days), ahead_ms: typeof ahead === 'number' ? ahead : null };
    });
  });

const currency = z
  .string()
  .refine(isCurrency, 'is not a currency; expected an ISO 4217 code like RUB or USD, or XTR');

const percent = z.number().int().min(0).max(100);
const planKey = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,62}$/,
    'is not a key; expected lower-case letters, digits, - and _',
  );
const titleText = 'is not a text; expected one, or one by language as { en: Basic, ru: Базовый }';
const title = z.union(
  [
    z
      .string()
      .min(1)
      .transform((text): Record<string, string> => ({ en: text })),
    z
      .record(z.string(), z.string().min(1))
      .refine((texts) => Object.keys(texts).length > 0, titleText),
  ],
  { error: titleText },
);
/** Clients and proxies accept headers of a few kB in all. */
const urlMax = 500;

const webUrl = z
  .string()
  .refine((text) => /^(?:https?|tg):\/\/[^\s]+$/.test(text) && URL.canParse(text), {
    error: 'is not a URL; expected one like https://t.me/shop_bot',
  })
  // Headers are ASCII.
  .transform((text) => new URL(text).href)
  .refine((text) => text.length <= urlMax, `is too long; expected at most ${urlMax} characters`);

const originText = 'is not an origin; expected one like https://panel.example.com';

/** Scheme, host and port: the dashboard is always at `/ui`. */
const originUrl = z
  .string({ error: originText })
  .refine(
    (text) => /^https?:\/\//.test(text) && URL.canParse(text) && isOrigin(new URL(text)),
    originText,
  )
  .transform((text) => new URL(text).origin);

const isOrigin = ({ href, origin }: URL): boolean => href === `${origin}/`;

/** Clients fetch the feed again after whole hours. */
const updateHours = duration
  .refine((ms) => ms % hourMs === 0, 'is not a whole number of hours; expected one like 12h')
  .transform((ms) => ms / hourMs);

/** A text by language with a limit of characters, because it becomes a header or a name. */
const toShortTextSchema = (max: number) =>
  title.refine(
    (texts) => Object.values(texts).every((text) => text.length <= max && !/\p{Cc}/u.test(text)),
    `is too long, or has a line break; expected at most ${max} characters in one line`,
  );
const majorAmount = z
  .union([z.number(), z.string()], { error: 'is not an amount; expected one like 149 or 149.50' })
  .transform(String);

/** A mapping with these keys only. A misspelt key is a fault. */
function toMappingSchema<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no key "${issue.keys[0]}"; available: ${Object.keys(shape).join(', ')}`
        : undefined,
  });
}

export const planSchema = toMappingSchema({
  title,
  groups: z.array(z.string().min(1)).min(1),
  prices: z.record(currency, z.record(periodDays, majorAmount)),
});

/** The prices of plans. Other keys of the configuration file have no effect. */
export const priceFileSchema = z.looseObject({
  plans: z.record(planKey, z.looseObject({ prices: planSchema.shape.prices })),
});

export const nodeSchema = toMappingSchema({
  id: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,62}$/,
      'is not an id; expected lower-case letters, digits, ., - and _',
    ),
  api: z.string().refine((api) => tryParseEndpoint(api) !== undefined, notAnAddressText),
  tls: z
    .union(
      [
        z.boolean(),
        toMappingSchema({
          ca: z.string().optional(),
          cert: z.string().optional(),
          key: z.string().optional(),
          server_name: z.string().optional(),
        }),
      ],
      {
        error:
          'is not a setting of TLS; expected true, false, or files as { ca: FILE, cert: FILE, key: FILE }',
      },
    )
    .default(false),
  groups: z.array(z.string().min(1)).min(1),
  inbounds: z.array(z.string().min(1)).min(1),
  // `apply` checks the other keys by the rules of share links.
  link: z.looseObject({
    host: z.string().min(1),
    port: z.number().int().min(1).max(65_535),
    flow: z.enum(linkFlows, { error: notAFlowText }).optional(),
  }),
});

const workerSettings = toMappingSchema({
  every: duration.optional(),
  batch: z.number().int().min(1).max(10_000).optional(),
  budget: duration.optional(),
});

/** The whole file. */
export const fileSchema = toMappingSchema({
  installation: z
    .string()
    .regex(/^[a-z0-9]{1,32}$/, 'is not a name; expected 1 to 32 lower-case letters and digits')
    // Absent: the name in the database stays, at first 'perennial'.
    .optional(),
  database: z.string().min(1).optional(),
  data_dir: z.string().min(1).optional(),
  currency: currency.default('RUB'),
  telegram: toMappingSchema({
    token: z.string(),
    api: z.url().default('https://api.telegram.org'),
    admins: z.array(z.number().int().positive()).default([]),
    per_second: z.number().positive().max(30).default(20),
  }).optional(),
  http: toMappingSchema({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.number().int().min(0).max(65_535).default(8_080),
    per_minute: z.number().int().min(1).max(1_000_000).default(60_000),
    per_minute_without_token: z.number().int().min(1).max(1_000_000).default(600),
    per_minute_links: z.number().int().min(1).max(1_000_000).default(6_000),
    per_minute_refused_tokens: z.number().int().min(1).max(1_000_000).default(60),
    trusted_proxies: z.array(z.string().refine(isNetwork, notANetworkText)).optional(),
    tls: toMappingSchema({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
  }).optional(),
  // `ui:` without a value serves the dashboard with the defaults.
  ui: z
    .preprocess((value) => value ?? {}, toMappingSchema({ url: originUrl.optional() }))
    .optional(),
  notices: toMappingSchema({
    renewal_ahead: renewalAhead.optional(),
    folder: z.string().min(1).optional(),
    admin_locale: z
      .string()
      .regex(/^[a-z]{2,3}(-[A-Z]{2})?$/, 'is not a language; expected a code like en or ru')
      .optional(),
    admin_time_zone: z
      .string()
      .refine(isTimeZone, 'is not a time zone; expected a name like Europe/Moscow')
      .optional(),
  }).optional(),
  email: toMappingSchema({
    url: z.url({
      protocol: /^smtps?$/,
      error: ({ input }) =>
        input === undefined
          ? undefined
          : 'is not a URL of a mail server; expected smtp://user:password@host:587',
    }),
    from: z.string().min(3),
    admins: z
      .array(z.string().regex(/^[^@\s]+@[^@\s]+$/, 'is not an e-mail address; expected name@host'))
      .default([]),
    per_second: z.number().positive().max(100).default(5),
  }).optional(),
  plans: z.record(planKey, planSchema).optional(),
  trial: toMappingSchema({ plan: planKey, days: z.number().int().min(1).max(90) }).optional(),
  discounts: toMappingSchema({ vip_percent: percent.default(30) }).optional(),
  renewal: toMappingSchema({
    window: duration.default(6 * hourMs),
    retry: duration.default(hourMs),
    revive: durationOrZero.default(7 * dayMs),
    notice: duration.default(dayMs),
  }).optional(),
  money: toMappingSchema({
    top_up_max: majorAmount
      .refine((text) => /^\d{1,15}(\.\d{1,4})?$/.test(text) && Number(text) > 0, {
        error: 'is not an amount above 0; expected one like 100000',
      })
      .default('100000'),
    claims: onOff.default(true),
    spend_floor: z.number().int().min(1).max(1_000_000).default(100),
    spend_factor: z.number().min(1).max(1_000).default(3),
  }).optional(),
  retention: toMappingSchema({
    notices: toMinimumDuration(30).default(180 * dayMs),
    events: toMinimumDuration(30).default(3 * 365 * dayMs),
    keys: toMinimumDuration(1).default(30 * dayMs),
  }).optional(),
  feed: toMappingSchema({
    title: toShortTextSchema(64).optional(),
    announce: toShortTextSchema(200).optional(),
    pay: toShortTextSchema(64).optional(),
    support_url: webUrl.optional(),
    web_page_url: webUrl.optional(),
    update: updateHours.optional(),
  }).optional(),
  nodes: z.array(nodeSchema).optional(),
  workers: z.record(z.string(), workerSettings).default({}),
});
