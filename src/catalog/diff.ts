import { sql } from 'kysely';
import { type Config, type ConfigFile, toNodeConfigs } from '../config/config.ts';
import { noPlanFault } from '../config/faults.ts';
import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { Instant } from '../kernel/instant.ts';
import { isJsonEqual } from '../kernel/json-equal.ts';
import { moneyText, tryParseMinor } from '../kernel/money.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { type FileFault, requireNoFileFaults } from './file-faults.ts';
import { describeNodeStep, diffNodes, type NodeStep, readNodeFaults } from './node-diff.ts';
import { readWindowFaults } from './renewal-window.ts';
import { formatRuleChange, type RuleKey, ruleKeys } from './rule-text.ts';
import { readPlansOnSale } from './sold-plans.ts';

// The difference between the configuration file and the database: plans, prices, settings, nodes.
//
// 1. `apply` shows the difference, and changes the database to the state of the file.
// 2. A key that the file lacks as a whole, such as `nodes`, leaves its part unchanged.
// 3. A plan that the file no longer lists is retired. Its customers keep it and are renewed. It
//    cannot be bought.

/** One change. `describeStep` formats it as a line. */
export type CatalogStep =
  | {
      readonly do: 'add-plan' | 'change-plan';
      readonly plan: string;
      readonly title: Record<string, string>;
      readonly groups: string[];
    }
  | { readonly do: 'retire-plan' | 'revive-plan'; readonly plan: string }
  | {
      readonly do: 'set-price';
      readonly plan: string;
      readonly periodDays: number;
      readonly currency: string;
      readonly amountMinor: bigint | null;
      readonly beforeMinor: bigint | null;
    }
  | NodeStep
  | { readonly do: 'name-installation'; readonly name: string; readonly before: string }
  | {
      readonly do: 'set-rule';
      readonly key: RuleKey;
      readonly value: object;
      readonly before: object | null;
    };

interface PlanRow {
  readonly key: string;
  readonly title: Record<string, string>;
  readonly groups: string[];
  readonly retired_at: Instant | null;
}

/** The changes of `apply`. @throws UsageFault if the file contradicts itself or the database */
export async function diffCatalog(
  db: Db | Tx,
  config: Config,
  now: Instant,
): Promise<CatalogStep[]> {
  const { file } = config;
  const nodes = toNodeConfigs(config);
  requireNoFileFaults(config, [
    ...(await readTrialPlanFaults(db, file)),
    ...(await readWindowFaults(db, config, now)),
    ...(nodes === undefined ? [] : await readNodeFaults(db, nodes)),
  ]);
  return [
    ...(file.installation === undefined ? [] : await diffInstallationName(db, file.installation)),
    ...(file.plans === undefined ? [] : await diffPlans(db, file.plans, now)),
    ...(await diffRules(db, file)),
    ...(nodes === undefined ? [] : await diffNodes(db, nodes)),
  ];
}

/** The plan of `trial` is in the file, or in the database if the file has no plans. */
async function readTrialPlanFaults(db: Db | Tx, file: ConfigFile): Promise<FileFault[]> {
  const plan = file.trial?.plan;
  if (plan === undefined || file.plans !== undefined) return [];
  const available = await readPlansOnSale(db);
  return available.includes(plan) ? [] : [{ code: 'no_plan', ...noPlanFault(plan, available) }];
}

async function diffPlans(
  db: Db | Tx,
  wanted: NonNullable<ConfigFile['plans']>,
  now: Instant,
): Promise<CatalogStep[]> {
  const { rows } = await sql<PlanRow>`
    SELECT key, title, groups, retired_at FROM perennial.plan ORDER BY key`.execute(db);
  const stored = new Map(rows.map((row) => [row.key, row]));
  const prices = await readPriceList(db, now);
  const steps: CatalogStep[] = [];
  for (const [plan, { title, groups, prices: byCurrency }] of Object.entries(wanted)) {
    const before = stored.get(plan);
    if (before === undefined) steps.push({ do: 'add-plan', plan, title, groups });
    else if (!isJsonEqual([before.title, before.groups], [title, groups])) {
      steps.push({ do: 'change-plan', plan, title, groups });
    }
    if (before !== undefined && before.retired_at !== null) steps.push({ do: 'revive-plan', plan });
    const listed = new Set<string>();
    for (const [currency, byPeriod] of Object.entries(byCurrency)) {
      for (const [days, amount] of Object.entries(byPeriod)) {
        const read = tryParseMinor(amount, currency);
        const amountMinor = 'minor' in read ? read.minor : null;
        const periodDays = Number(days);
        listed.add(`${periodDays} ${currency}`);
        const beforeMinor = prices.getMinor(plan, periodDays, currency);
        if (beforeMinor !== amountMinor) {
          steps.push({ do: 'set-price', plan, periodDays, currency, amountMinor, beforeMinor });
        }
      }
    }
    for (const entry of prices.entries) {
      const { periodDays, currency } = entry;
      if (entry.plan !== plan || listed.has(`${periodDays} ${currency}`)) continue;
      const beforeMinor = entry.amountMinor;
      steps.push({ do: 'set-price', plan, periodDays, currency, amountMinor: null, beforeMinor });
    }
  }
  for (const row of rows) {
    if (!(row.key in wanted) && row.retired_at === null)
      steps.push({ do: 'retire-plan', plan: row.key });
  }
  return steps;
}

/** The settings of the file under a key, as they are stored: durations in milliseconds. */
function toRule(file: ConfigFile, key: RuleKey): object | undefined {
  switch (key) {
    case 'discounts':
      return file.discounts;
    case 'renewal': {
      const { renewal } = file;
      if (renewal === undefined) return undefined;
      const { window, retry, revive, notice } = renewal;
      return { window_ms: window, retry_ms: retry, revive_ms: revive, notice_ms: notice };
    }
    case 'notices': {
      const ahead = file.notices?.renewal_ahead;
      return ahead === undefined ? undefined : { renewal_ahead: ahead };
    }
    case 'feed': {
      if (file.feed === undefined) return undefined;
      const { update, ...feed } = file.feed;
      return update === undefined ? feed : { ...feed, update_hours: update };
    }
    case 'retention': {
      const { retention } = file;
      if (retention === undefined) return undefined;
      const { notices, events, keys } = retention;
      return { notices_ms: notices, events_ms: events, keys_ms: keys };
    }
    case 'trial':
      return file.trial;
    case 'money':
      return file.money;
  }
}

async function diffRules(db: Db | Tx, file: ConfigFile): Promise<CatalogStep[]> {
  const { rows } = await sql<{ key: RuleKey; value: object }>`
    SELECT key, value FROM perennial.setting`.execute(db);
  const stored = new Map(rows.map((row) => [row.key, row.value]));
  const steps: CatalogStep[] = [];
  for (const key of ruleKeys) {
    const value = toRule(file, key);
    const before = stored.get(key) ?? null;
    if (value !== undefined && !isJsonEqual(value, before))
      steps.push({ do: 'set-rule', key, value, before });
  }
  return steps;
}

/** A new name would orphan all our users on the nodes, so a name in use cannot change. */
async function diffInstallationName(db: Db | Tx, name: string): Promise<CatalogStep[]> {
  const { rows } = await sql<{ name: string; seeded: boolean }>`
    SELECT name, EXISTS (SELECT FROM perennial.node WHERE boot_at IS NOT NULL) AS seeded
    FROM perennial.installation`.execute(db);
  const { name: before, seeded } = rows[0] as { name: string; seeded: boolean };
  if (name === before) return [];
  if (seeded) throw createNameInUseFault(before, name);
  return [{ do: 'name-installation', name, before }];
}

export function createNameInUseFault(before: string, name: string): UsageFault {
  return new UsageFault(
    'installation_in_use',
    `installation: "${name}" is not the name that the users on the nodes have; expected "${before}"`,
  );
}

/** The change as one line for a person. */
export function describeStep(step: CatalogStep): string {
  switch (step.do) {
    case 'add-plan':
      return `+ plan ${step.plan}: ${Object.values(step.title).join(' / ')}, groups ${step.groups.join(', ')}`;
    case 'change-plan':
      return `~ plan ${step.plan}: ${Object.values(step.title).join(' / ')}, groups ${step.groups.join(', ')}`;
    case 'retire-plan':
      return `- plan ${step.plan}: retired (its customers keep it and are renewed; it cannot be bought)`;
    case 'revive-plan':
      return `+ plan ${step.plan}: on sale again`;
    case 'set-price': {
      const label = `price ${step.plan} ${step.periodDays} d`;
      const before =
        step.beforeMinor === null ? undefined : moneyText(step.beforeMinor, step.currency);
      const after =
        step.amountMinor === null ? undefined : moneyText(step.amountMinor, step.currency);
      if (after === undefined)
        return `- ${label}: ${before} withdrawn (subscriptions that need it go to quarantine)`;
      return before === undefined ? `+ ${label}: ${after}` : `~ ${label}: ${before} -> ${after}`;
    }
    case 'set-rule':
      return formatRuleChange(step);
    case 'name-installation':
      return `~ installation: ${step.before} -> ${step.name}`;
    case 'add-node':
    case 'change-node':
      return describeNodeStep(step);
  }
}
