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

// Somebody else's name that carries the UUID of a customer: whoever removes it takes the customer's
// access too, and for as long as both are there the node knows one of the two only. Taking it over
// means that the foreign name goes and ours is put in its place. Never by itself: a person names
// the names, or all, of one comparison that is made for this.

export interface AdoptionRequest {
  readonly db: Db;
  readonly url: string;
  readonly node: string;
  /** As they were told, in any case; undefined: all conflicts there. */
  readonly names: readonly string[] | undefined;
  readonly dryRun: boolean;
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onUsers?: OnUsers;
}

export interface AdoptionResult {
  readonly count: number;
  /** The first few of them. */
  readonly sample: readonly NameConflict[];
  /** Conflicts on the node that were not meant. */
  readonly left: number;
}

const sampleMax = 20;

/** @throws Fault of the node; `no_conflict` names those that there are */
export async function adopt(
  adoption: AdoptionRequest,
  connect: ConnectNode,
): Promise<AdoptionResult> {
  const { db, url, node: id, actor, signal, onUsers } = adoption;
  const node = (await readNodes(db)).find((each) => each.id === id);
  if (node === undefined) throw refused('no_node', `there is no node "${id}" any more`);
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

/** A name that is no conflict is nobody's business here. */
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
    `node ${node}: "${wrong}" carries no UUID of a customer there; ${available.length === 0 ? 'no name does' : `those that do: ${available.join(', ')}`}`,
  );
}
