import { applySteps } from '../../../src/catalog/apply.ts';
import { diffCatalog } from '../../../src/catalog/diff.ts';
import { parseConfig } from '../../../src/config/config.ts';
import { readClock } from '../../../src/db/clock.ts';
import { type Db, inTransaction } from '../../../src/db/connect.ts';

// The file of the operator, which the simulation changes: the groups of plans, the groups of nodes,
// and the inbounds with our users.

export const plans = ['basic', 'plus', 'solo'] as const;
export type Plan = (typeof plans)[number];

export interface ListedNode {
  readonly api: string;
  groups: readonly string[];
  /** Some inbounds of the node. */
  inbounds: readonly string[];
}

export interface CatalogFile {
  readonly plans: Record<Plan, readonly string[]>;
  readonly nodes: Readonly<Record<string, ListedNode>>;
}

/** Prices in major units, by days. */
const prices = {
  basic: { 30: 149, 90: 399 },
  plus: { 30: 299 },
  solo: { 30: 199 },
} satisfies Record<Plan, object>;

/**
 * Applies the file, as `perennial apply` does. Access that changes is to be marked
 * (`runMarkingJobs`).
 */
export async function applyFile(db: Db, file: CatalogFile): Promise<void> {
  const text = JSON.stringify({
    plans: Object.fromEntries(
      plans.map((key) => [
        key,
        { title: key, groups: file.plans[key], prices: { RUB: prices[key] } },
      ]),
    ),
    nodes: Object.entries(file.nodes).map(([id, node]) => ({
      ...{ id, ...node },
      link: { host: `${id}.example`, port: 443 },
    })),
  });
  const config = {
    ...{ path: 'perennial.yaml', file: parseConfig(text, 'perennial.yaml') },
    ...{ database: undefined, dataDir: '/nowhere', dataDirNamed: false, logLevel: 'info' },
  };
  await inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    await applySteps(tx, await diffCatalog(tx, config, now), 'play', now);
  });
}
