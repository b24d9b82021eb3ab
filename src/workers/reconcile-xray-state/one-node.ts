import type { Connection } from '../../db/alone.ts';
import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { hourMs } from '../../kernel/instant.ts';
import { owe } from '../../notify/outbox.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';
import { listInto } from './listing.ts';
import type { ListedNode } from './node-store.ts';
import { holdsRemovals, type Kind, kinds, treatmentOf } from './rule.ts';
import {
  type Counted,
  compare,
  count,
  type Drift,
  emptyList,
  lastDrift,
  mark,
  sample,
} from './store.ts';

// One node: listed, compared, and marked where it differs. The order is the promise: the list first,
// then the books, then marks (X1, X2).

/** How a node is reached; given by whoever puts the program together. */
export type ConnectNode = (address: NodeAddress) => NodeApi;

export interface Orders {
  readonly signal: AbortSignal;
  /** Compare only. */
  readonly dryRun: boolean;
  /** A person looked at what the guard holds. */
  readonly confirmed: boolean;
}

export interface Found extends Counted {
  readonly node: string;
  /** Entries of the node's lists, those of somebody else's among them. */
  readonly users: number;
  /** New marks. */
  readonly newlyMarked: number;
  /** Removals that the guard holds until they are confirmed. */
  readonly held: number;
  readonly sample: readonly Drift[];
}

/** How one node came out. */
export type NodeEnd =
  | { readonly node: string; readonly end: 'compared'; readonly found: Found }
  | { readonly node: string; readonly end: 'failed'; readonly fault: Fault }
  /** Another run is at it, or it was given up: nothing to be said of it. */
  | { readonly node: string; readonly end: 'left'; readonly reason: string };

const sampleMax = 20;
/** Short transactions, so that keepers and commands never wait for long. */
const marksMax = 10_000;

/** @throws Fault of the node, as `xray/port.ts` lists them; anything else is the database's */
export async function reconcileNode(
  connection: Connection,
  connect: ConnectNode,
  node: ListedNode,
  orders: Orders,
): Promise<Found> {
  const { db } = connection;
  const users = await listAndCompare(connection, connect, node, orders.signal);
  const counted = await count(db);
  const held =
    !orders.confirmed && holdsRemovals(counted.toRemove, counted.ours) ? counted.toRemove : 0;
  const found = { node: node.id, users, ...counted, held, sample: await sample(db, sampleMax) };
  if (orders.dryRun) return { ...found, newlyMarked: 0 };
  if (held > 0) await alarm(connection, node.id, held);
  return { ...found, newlyMarked: await markAll(connection, node, held > 0) };
}

/** Leaves `listed` and `drift` on the connection. @returns how many entries the lists have */
export async function listAndCompare(
  connection: Connection,
  connect: ConnectNode,
  node: ListedNode,
  signal: AbortSignal,
): Promise<number> {
  await emptyList(connection.db);
  const began = await readClock(connection.db);
  const api = connect({ api: node.api, tls: node.tls });
  try {
    const known = await api.inbounds({ signal });
    const inbounds = node.inbounds.map((tag) => {
      const found = known.find((each) => each.tag === tag);
      return { hasFlow: found?.manages === true && found.protocol === 'vless' };
    });
    const users = await listInto(connection, api, node.inbounds, node.installation, signal);
    await compare(connection.db, { node: node.id, began, inbounds });
    return users;
  } finally {
    api.close();
  }
}

async function markAll(
  { db }: Connection,
  { id, seeding }: ListedNode,
  held: boolean,
): Promise<number> {
  const meant = kinds.filter((kind) => isMarked(kind, { held, seeding }));
  const last = await lastDrift(db);
  let marked = 0;
  for (let after = 0; after < last; after += marksMax) {
    marked += await inTransaction(db, async (tx) =>
      mark(tx, { node: id, kinds: meant, now: await readClock(tx) }, after, after + marksMax),
    );
  }
  return marked;
}

/** While its keeper marks everybody after a start of the node, those who miss are on their way. */
function isMarked(kind: Kind, { held, seeding }: { held: boolean; seeding: boolean }): boolean {
  switch (treatmentOf(kind)) {
    case 'mark':
      return kind !== 'missing' || !seeding;
    case 'guard':
      return !held;
    case 'report':
      return false;
  }
}

/** Once an hour and node while it holds. */
async function alarm({ db }: Connection, node: string, held: number): Promise<void> {
  await inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const notice = {
      customerId: null,
      subscriptionId: null,
      kind: 'alarm_guard' as const,
      dedupeKey: `alarm:guard:reconcile-xray-state:${node}:${Math.floor(now / hourMs)}`,
      params: { worker: 'reconcile-xray-state', node, held },
    };
    await owe(tx, [notice], now);
  });
}

/** What went wrong is the node's, or on the way to it; nothing that the database did is a Fault yet. */
export function isOfNode(error: unknown): error is Fault {
  return error instanceof Fault;
}
