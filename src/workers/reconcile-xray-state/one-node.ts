import type { Connection } from '../../db/alone.ts';
import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { callOff, readOpenAlarms, sound, takeAlarms } from '../../notify/alarms.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';
import { listInto } from './listing.ts';
import type { ListedNode } from './node-store.ts';
import { holdsRemovals, type Kind, kinds, treatmentOf } from './rule.ts';
import {
  type Counted,
  compare,
  count,
  countRepeated,
  type Drift,
  emptyList,
  keepDrift,
  lastDrift,
  mark,
  sample,
} from './store.ts';
import { confirmUnknown } from './stray-store.ts';

// One node: listed, compared, and marked where it differs. The order is the promise: the list first,
// then the books, then marks (X1, X2).

/** How a node is reached; given by whoever puts the program together. */
export type ConnectNode = (address: NodeAddress) => NodeApi;

/** Told now and then how many entries of the node's lists are read. */
export type OnUsers = (users: number) => void;

export interface Orders {
  readonly signal: AbortSignal;
  /** Compare only. */
  readonly dryRun: boolean;
  /** A person looked at what the guard holds, and at the names that the books don't know. */
  readonly confirmed: boolean;
  /** Who asks, for the timeline; of no matter where nothing is written. */
  readonly actor: string;
  readonly onUsers?: OnUsers | undefined;
}

export interface Found extends Counted {
  readonly node: string;
  /** Entries of the node's lists, those of somebody else's among them. */
  readonly users: number;
  /** New marks. */
  readonly newlyMarked: number;
  /** Names that the books don't know, and that a person has let go with this comparison. */
  readonly newlyConfirmed: number;
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
  let users = await listAndCompare(connection, connect, node, orders);
  let counted = await count(db);
  const isTooMany = () => !orders.confirmed && holdsRemovals(counted.toRemove, counted.ours);
  let held = 0;
  if (isTooMany()) {
    // Many who ended since the list was read, and whose keeper was quick, look the same.
    await keepDrift(db);
    users = await listAndCompare(connection, connect, node, orders);
    counted = await count(db);
    if (isTooMany() && holdsRemovals(await countRepeated(db, 'unwanted'), counted.ours)) {
      held = counted.toRemove;
    }
  }
  // So many others this time: the next comparison tells.
  const isLeft = isTooMany();
  const found = { node: node.id, users, ...counted, held, sample: await sample(db, sampleMax) };
  if (orders.dryRun) return { ...found, newlyMarked: 0, newlyConfirmed: 0 };
  if (held > 0) await alarm(connection, node.id, held);
  else await alarmOver(connection, node.id);
  const newlyConfirmed = orders.confirmed ? await confirmAll(connection, node, orders.actor) : 0;
  return { ...found, newlyMarked: await markAll(connection, node, isLeft), newlyConfirmed };
}

/** Leaves `listed` and `drift` on the connection. @returns how many entries the lists have */
export async function listAndCompare(
  connection: Connection,
  connect: ConnectNode,
  node: ListedNode,
  { signal, onUsers }: Pick<Orders, 'signal' | 'onUsers'>,
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
    // One that is gone, or has no users any more, has nobody of ours.
    const formerInbounds = node.formerInbounds.filter((tag) =>
      known.some((each) => each.tag === tag && each.manages),
    );
    const { installation } = node;
    const of = { inbounds: node.inbounds, formerInbounds };
    const listing = { ...of, installation, signal, onUsers };
    const users = await listInto(connection, api, listing);
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
  return inStretches(db, (tx, now, after, upTo) =>
    mark(tx, { node: id, kinds: meant, now }, after, upTo),
  );
}

/** What a person said goes for the names of this comparison, and for no later one (X3). */
async function confirmAll(
  { db }: Connection,
  { id, bootAt }: ListedNode,
  actor: string,
): Promise<number> {
  return inStretches(db, (tx, now, after, upTo) =>
    confirmUnknown(tx, { node: id, bootAt, actor, now }, after, upTo),
  );
}

/** Over all of `drift`, in transactions of their own. @returns the sum of what each wrote */
export async function inStretches(
  db: Connection['db'],
  write: (tx: Tx, now: Instant, after: number, upTo: number) => Promise<number>,
): Promise<number> {
  const last = await lastDrift(db);
  let written = 0;
  for (let after = 0; after < last; after += marksMax) {
    written += await inTransaction(db, async (tx) =>
      write(tx, await readClock(tx), after, after + marksMax),
    );
  }
  return written;
}

/** While its keeper marks everybody after a start of the node, those who miss are on their way. */
function isMarked(kind: Kind, { held, seeding }: { held: boolean; seeding: boolean }): boolean {
  switch (treatmentOf(kind)) {
    case 'mark':
      return kind !== 'missing' || !seeding;
    case 'guard':
      return !held;
    case 'confirm':
    case 'report':
      return false;
  }
}

async function alarm({ db }: Connection, node: string, held: number): Promise<void> {
  await inTransaction(db, async (tx) => {
    const params = { worker: 'reconcile-xray-state', subject: node, held };
    await sound(tx, [{ kind: 'alarm_guard', params }]);
  });
}

/** Costs one look at the alarms where there is none. */
async function alarmOver({ db }: Connection, node: string): Promise<void> {
  await inTransaction(db, async (tx) => {
    await takeAlarms(tx);
    const now = await readClock(tx);
    const open = await readOpenAlarms(tx, now);
    const over = open.filter(({ kind, subject }) => kind === 'alarm_guard' && subject === node);
    await callOff(tx, over, now);
  });
}

/** What went wrong is the node's, or on the way to it; nothing that the database did is a Fault yet. */
export function isOfNode(error: unknown): error is Fault {
  return error instanceof Fault;
}
