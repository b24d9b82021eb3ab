import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { isPublicHost } from '../db/host.ts';
import { isUnencryptedRemote } from '../db/transport.ts';
import { tryParseEndpoint } from '../xray/address.ts';
import { findUnusedKeys } from '../xray/link-faults.ts';
import type { AccessState } from './access-impact.ts';
import type { CatalogStep } from './diff.ts';
import { drainingGroup } from './nodes.ts';

// Warnings of `apply`: states that are allowed, but most often a mistake.

/** @param steps the changes of the file; @param after the state after them */
export async function readWarnings(
  db: Db,
  url: string,
  steps: readonly CatalogStep[],
  after: AccessState,
): Promise<string[]> {
  return [
    ...computeGroupWarnings(after, await readSoldOrUsedPlans(db, steps, after)),
    ...(await readPlaintextNodes(db, steps)),
    ...computeUnusedLinkKeys(steps),
    ...((await isUnencryptedRemote(db, url))
      ? [
          'database: the connection leads to another machine without TLS; add sslmode=verify-full to its URL',
        ]
      : []),
  ];
}

/** Plans that can be bought or are in use. */
async function readSoldOrUsedPlans(
  db: Db,
  steps: readonly CatalogStep[],
  { running }: AccessState,
) {
  const { rows } = await sql<{ key: string }>`
    SELECT key FROM perennial.plan WHERE retired_at IS NULL`.execute(db);
  const plans = new Set([...rows.map(({ key }) => key), ...running.keys()]);
  for (const step of steps) {
    if (step.do === 'add-plan' || step.do === 'revive-plan') plans.add(step.plan);
    if (step.do === 'retire-plan' && !running.has(step.plan)) plans.delete(step.plan);
  }
  return plans;
}

/** Groups without a partner: a mistyped letter leaves one on each side. */
export function computeGroupWarnings(
  { plans, nodes }: Pick<AccessState, 'plans' | 'nodes'>,
  onSale: ReadonlySet<string>,
): string[] {
  const nodeGroups = new Set([...nodes.values()].flatMap(({ groups }) => groups));
  const planGroups = new Set(
    [...plans].flatMap(([key, groups]) => (onSale.has(key) ? groups : [])),
  );
  const unmatched = [...plans]
    .filter(([key]) => onSale.has(key))
    .flatMap(([key, groups]) =>
      groups
        .filter((group) => !nodeGroups.has(group))
        .map((group) => `plan ${key}: no node has the group "${group}"`),
    );
  const unused = [...nodes].flatMap(([id, { groups }]) =>
    groups
      .filter((group) => group !== drainingGroup && !planGroups.has(group))
      .map((group) => `node ${id}: no plan has the group "${group}"`),
  );
  return [...unmatched, ...unused];
}

/** Keys of a link without an effect: most often its type or security is a mistake. */
function computeUnusedLinkKeys(steps: readonly CatalogStep[]): string[] {
  return steps.flatMap((step) => {
    if (step.do !== 'add-node' && step.do !== 'change-node') return [];
    const { id, link } = step.node;
    return findUnusedKeys(link).map(
      (key) =>
        `node ${id}: link.${key} has no effect: links of this type and security have no ${key}`,
    );
  });
}

/** Any machine on the way can read and change the users of a plaintext API. */
async function readPlaintextNodes(db: Db, steps: readonly CatalogStep[]): Promise<string[]> {
  const { rows } = await sql<{ id: string; api: string; tls: unknown }>`
    SELECT id, api, tls FROM perennial.node ORDER BY id`.execute(db);
  const nodes = new Map(rows.map((row) => [row.id, row]));
  for (const step of steps) {
    if (step.do === 'add-node' || step.do === 'change-node') nodes.set(step.node.id, step.node);
  }
  return [...nodes.values()]
    .filter(({ api, tls }) => {
      const address = tryParseEndpoint(api);
      return (
        tls === false && address !== undefined && 'host' in address && isPublicHost(address.host)
      );
    })
    .map(
      ({ id, api }) =>
        `node ${id}: the API ${api} is at a public address without TLS; others can read and change its users. Set tls, or use a private network`,
    );
}
