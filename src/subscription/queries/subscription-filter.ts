import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { refused, UsageFault } from '../../kernel/faults.ts';
import { type Instant, isoTime, tryParseInstant } from '../../kernel/instant.ts';

// The filter of lists and bulk jobs. The command line, the API and stored jobs use this definition.
//
// 1. A subscription matches if it and its customer meet every condition.
// 2. A customer matches if one of their subscriptions matches. Without a condition on
//    subscriptions, customers without a subscription match too.
// 3. `short` means that the forecast of the subscription is `short` (`rules/forecast.ts`). SQL
//    finds the candidates, and the forecast decides (`matches.ts`).

interface FilterField<Value> {
  /** For the help texts and the OpenAPI document. */
  readonly meaning: string;
  readonly expects: string;
  /** The table that the condition reads. */
  readonly of: 'subscription' | 'customer';
  /** @returns undefined: the text is not such a value */
  read(text: string): Value | undefined;
  /** The condition on the subscription `s` or the customer `c`. */
  toCondition(value: Value): RawBuilder<unknown>;
}

const defineField = <Value>(field: FilterField<Value>): FilterField<Value> => field;

const createChoiceReader =
  <Value extends string>(...values: readonly Value[]) =>
  (text: string): Value | undefined =>
    values.find((value) => value === text);

const yesOrNo = 'yes or no';
const readFlag = (text: string): boolean | undefined =>
  text === 'yes' || text === 'no' ? text === 'yes' : undefined;

const timeForm = 'a date like 2026-12-08, or ISO 8601 with an offset';
/** A date is its first moment in UTC. */
const readTime = (text: string): Instant | undefined =>
  tryParseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);

const readKey = (text: string): string | undefined =>
  /^[\w.-]{1,63}$/.test(text) ? text : undefined;

const fields = {
  state: defineField<SubscriptionState>({
    meaning: 'state of the subscription',
    expects: 'active, expired or revoked',
    of: 'subscription',
    read: createChoiceReader('active', 'expired', 'revoked'),
    toCondition: (state) => sql`s.state = ${state}`,
  }),
  kind: defineField<SubscriptionKind>({
    meaning: 'kind of the subscription',
    expects: 'trial or paid',
    of: 'subscription',
    read: createChoiceReader('trial', 'paid'),
    toCondition: (kind) => sql`s.kind = ${kind}`,
  }),
  plan: defineField<string>({
    meaning: 'plan in force',
    expects: 'the key of a plan',
    of: 'subscription',
    read: readKey,
    toCondition: (plan) => sql`s.plan = ${plan}`,
  }),
  node_group: defineField<string>({
    meaning: 'the plan gives access to the nodes of this group',
    expects: 'a group of a plan',
    of: 'subscription',
    read: readKey,
    toCondition: (group) =>
      sql`s.plan IN (SELECT p.key FROM perennial.plan p WHERE ${group} = ANY (p.groups))`,
  }),
  ends_before: defineField<Instant>({
    meaning: 'ends before this time',
    expects: timeForm,
    of: 'subscription',
    read: readTime,
    toCondition: (at) => sql`s.expires_at < ${isoTime(at)}::timestamptz`,
  }),
  ends_after: defineField<Instant>({
    meaning: 'ends at this time or later',
    expects: timeForm,
    of: 'subscription',
    read: readTime,
    toCondition: (at) => sql`s.expires_at >= ${isoTime(at)}::timestamptz`,
  }),
  auto_renew: defineField<boolean>({
    meaning: 'auto-renewal is on',
    expects: yesOrNo,
    of: 'subscription',
    read: readFlag,
    toCondition: (isOn) => (isOn ? sql`s.auto_renew` : sql`NOT s.auto_renew`),
  }),
  short: defineField<boolean>({
    meaning: 'the balance will not cover the next renewal',
    expects: yesOrNo,
    of: 'subscription',
    read: readFlag,
    toCondition: (isShort) =>
      isShort ? sql`s.state = 'active' AND s.kind = 'paid' AND s.auto_renew` : sql`true`,
  }),
  tried: defineField<boolean>({
    meaning: 'auto-renewal has tried the next renewal, which waits, mostly for money',
    expects: yesOrNo,
    of: 'subscription',
    read: readFlag,
    toCondition: (isTried) =>
      isTried ? sql`s.next_try_at IS NOT NULL` : sql`s.next_try_at IS NULL`,
  }),
  unreachable: defineField<boolean>({
    meaning: 'notifications do not reach the customer',
    expects: yesOrNo,
    of: 'customer',
    read: readFlag,
    toCondition: (isUnreachable) => (isUnreachable ? sql`NOT c.reachable` : sql`c.reachable`),
  }),
  blocked: defineField<boolean>({
    meaning: 'the customer is blocked',
    expects: yesOrNo,
    of: 'customer',
    read: readFlag,
    toCondition: (isBlocked) =>
      isBlocked ? sql`c.blocked_at IS NOT NULL` : sql`c.blocked_at IS NULL`,
  }),
} as const;

export type FilterName = keyof typeof fields;
export const filterNames = Object.keys(fields) as readonly FilterName[];

/** The meaning of a filter and its values, for help texts. */
export const describeFilter = (name: FilterName): string =>
  `${fields[name].meaning}: ${fields[name].expects}`;

/** A filter as a person wrote it. */
export type FilterTexts = Readonly<Partial<Record<FilterName, string>>>;
type FilterValues = {
  readonly [N in FilterName]?: (typeof fields)[N] extends FilterField<infer Value> ? Value : never;
};

export interface SubscriptionFilter {
  /** In the order of `filterNames`. A bulk job stores them. */
  readonly texts: FilterTexts;
  readonly values: FilterValues;
}

const isFilterName = (name: string): name is FilterName => Object.hasOwn(fields, name);

/** @throws UsageFault `unknown_filter`, `bad_filter` */
export function parseFilter(
  texts: Readonly<Record<string, string | undefined>>,
  place = '',
): SubscriptionFilter {
  for (const name of Object.keys(texts)) {
    if (isFilterName(name)) continue;
    throw new UsageFault(
      'unknown_filter',
      `${place}"${name}" is not a filter; available: ${filterNames.join(', ')}`,
    );
  }
  const used = filterNames.filter((name) => texts[name] !== undefined);
  const values = used.map((name) => [name, readValue(name, texts[name] ?? '', place)]);
  return {
    texts: Object.fromEntries(used.map((name) => [name, texts[name]])),
    values: Object.fromEntries(values),
  };
}

function readValue(name: FilterName, text: string, place: string): unknown {
  const value = fields[name].read(text);
  if (value !== undefined) return value;
  throw new UsageFault(
    'bad_filter',
    `${place}${name}: "${text}" is not one of its values; expected ${fields[name].expects}`,
  );
}

/**
 * Reads `--where`: pairs like `state=active,node_group=nl`, separated by commas or spaces.
 * @throws UsageFault `unknown_filter`, `bad_filter`
 */
export function parseWhere(text: string): SubscriptionFilter {
  // Without a prototype, so that `__proto__` is a name like any other.
  const texts: Record<string, string> = Object.create(null);
  for (const pair of text.split(/[,\s]+/).filter((part) => part !== '')) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(pair) ?? [];
    if (name === '') {
      throw new UsageFault(
        'bad_filter',
        `--where: "${pair}" is not a condition; expected a pair like state=active`,
      );
    }
    if (Object.hasOwn(texts, name))
      throw new UsageFault('bad_filter', `--where: "${name}" is given twice; expected one value`);
    texts[name] = value;
  }
  return parseFilter(texts, '--where: ');
}

/** @throws Fault `no_plan`, `no_group`: a misspelt name would match nothing */
export async function requireKnownNames(
  db: Db | Tx,
  { values }: SubscriptionFilter,
): Promise<void> {
  const { plan, node_group: group } = values;
  if (plan === undefined && group === undefined) return;
  const plans = await db.selectFrom('perennial.plan').select(['key', 'groups']).execute();
  const keys = plans.map(({ key }) => key).toSorted();
  if (plan !== undefined && !keys.includes(plan)) {
    throw refused('no_plan', `plan: "${plan}" is not a plan; available: ${keys.join(', ')}`);
  }
  const groups = [...new Set(plans.flatMap((row) => row.groups))].toSorted();
  if (group !== undefined && !groups.includes(group)) {
    throw refused(
      'no_group',
      `node_group: "${group}" is not a group of a plan; available: ${groups.join(', ')}`,
    );
  }
}

function listConditions(
  { values }: SubscriptionFilter,
  of: 'subscription' | 'customer',
): RawBuilder<unknown>[] {
  return filterNames.flatMap((name) => {
    const field = fields[name] as FilterField<unknown>;
    const value = values[name];
    return field.of === of && value !== undefined ? [field.toCondition(value)] : [];
  });
}

const joinConditions = (conditions: readonly RawBuilder<unknown>[]): RawBuilder<boolean> =>
  conditions.length === 0 ? sql`true` : sql`(${sql.join(conditions, sql` AND `)})`;

/** The conditions on a subscription `s`. */
export const matchSubscription = (filter: SubscriptionFilter): RawBuilder<boolean> =>
  joinConditions(listConditions(filter, 'subscription'));

/** The conditions on a customer `c`. */
export const matchCustomer = (filter: SubscriptionFilter): RawBuilder<boolean> =>
  joinConditions(listConditions(filter, 'customer'));

/** True if a customer needs a subscription to match. */
export const needsSubscription = (filter: SubscriptionFilter): boolean =>
  listConditions(filter, 'subscription').length > 0;

/**
 * The subscriptions `s` of a customer `c`. The limit is above any real number. It keeps PostgreSQL
 * from combining the index of the customer with one of the whole table, also without statistics.
 */
export const ownSubscriptions: RawBuilder<unknown> = sql`
  (SELECT own.* FROM perennial.subscription own WHERE own.customer_id = c.id LIMIT 1000000) s`;
