import type { Db } from '../../db/connect.ts';
import { openSingleConnection } from '../../db/single-connection.ts';
import { refused } from '../../kernel/faults.ts';
import { type ConnectNode, inChunks, listAndCompare, type OnUsers } from './compare-node.ts';
import { readNodes } from './node-store.ts';
import {
  adoptConflicts,
  type NameConflict,
  readConflictCount,
  readConflicts,
} from './stray-store.ts';

// The adoption of foreign names that carry the UUID of a customer.
//
// 1. The removal of such a name also removes the access of the customer. While both names are
//    present, the node uses one of the two only (docs/xray-facts.md, "Users").
// 2. An adoption removes the foreign name and adds ours.
// 3. Only a person orders it: for given names, or for all names, of one comparison made for this
//    purpose.

export interface AdoptionRequest {
  readonly db: Db;
  readonly url: string;
  readonly node: string;
  /** The names as the person gave them, in any case. undefined: all conflicts of the node. */
  readonly names: readonly string[] | undefined;
  readonly dryRun: boolean;
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onUsers?: OnUsers;
}

export interface AdoptionResult {
  readonly count: number;
  /** The first adopted names. */
  readonly sample: readonly NameConflict[];
  /** Conflicts on the node that were not named. */
  readonly left: number;
}

const sampleMax = 20;

/** @throws Fault of the node; `no_conflict` names the conflicts of the node */
export async function adopt(
  adoption: AdoptionRequest,
  connect: ConnectNode,
): Promise<AdoptionResult> {
  const { db, url, node: id, actor, signal, onUsers } = adoption;
  const node = (await readNodes(db)).find((each) => each.id === id);
  if (node === undefined) throw refused('no_node', `node "${id}" was removed`);
  const names = adoption.names?.map((name) => name.toLowerCase());
  await using connection = await openSingleConnection(url);
  await listAndCompare(connection, connect, node, { signal, onUsers });
  const conflicts = await readConflicts(connection.db, names, names?.length ?? sampleMax);
  await requireConflicts(connection.db, id, names ?? [], conflicts);
  const sample = conflicts.slice(0, sampleMax);
  const [counted, all] = [
    await readConflictCount(connection.db, names),
    await readConflictCount(connection.db, undefined),
  ];
  const result = { count: counted, sample, left: all - counted };
  if (adoption.dryRun) return result;
  await inChunks(connection.db, (tx, now, after, upTo) => {
    const confirming = { node: id, bootAt: node.bootAt, actor, now };
    return adoptConflicts(tx, confirming, names, after, upTo);
  });
  return result;
}

/** Refuses a name that is no conflict. */
async function requireConflicts(
  db: Db,
  node: string,
  names: readonly string[],
  conflicts: readonly NameConflict[],
): Promise<void> {
  const wrong = names.find((name) => !conflicts.some((conflict) => conflict.name === name));
  if (wrong === undefined) return;
  const available = (await readConflicts(db, undefined, sampleMax)).map(({ name }) => `"${name}"`);
  throw refused(
    'no_conflict',
    `node ${node}: "${wrong}" is not a name with the UUID of a customer; available: ${available.join(', ') || 'none'}`,
  );
}
