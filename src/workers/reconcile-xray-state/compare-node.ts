import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import type { SingleConnection } from '../../db/single-connection.ts';
import { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { clearAlarms, lockAlarms, raiseAlarms, readOpenAlarms } from '../../outbox/alarms.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';
import { listInto } from './listing.ts';
import type { ListedNode } from './node-store.ts';
import { type DriftKind, driftKinds, mustHoldRemovals, toTreatment } from './rule.ts';
import {
  createListedTable,
  type Drift,
  type DriftCounts,
  markDrift,
  readDriftCounts,
  readDriftSample,
  readLastDriftNumber,
  readRepeatedCount,
  saveDrift,
  writeDrift,
} from './store.ts';
import { confirmUnknown } from './stray-store.ts';

// One node: listed, compared, and marked where it differs. The order is the promise: the list first,
// then the books, then marks (X1, X2).

/** How a node is reached; given by whoever puts the program together. */
export type ConnectNode = (address: NodeAddress) => NodeApi;

/** Told now and then how many entries of the node's lists are read. */
export type OnUsers = (users: number) => void;

export interface ComparisonOptions {
  readonly signal: AbortSignal;
  /** Compare only. */
  readonly dryRun: boolean;
  /** A person looked at what the guard holds, and at the names that the books don't know. */
  readonly confirmed: boolean;
  /** Who asks, for the timeline; of no matter where nothing is written. */
  readonly actor: string;
  readonly onUsers?: OnUsers | undefined;
}

export interface Comparison extends DriftCounts {
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
export type ComparisonOutcome =
  | { readonly node: string; readonly is: 'compared'; readonly comparison: Comparison }
  | { readonly node: string; readonly is: 'failed'; readonly fault: Fault }
  /** Another run is at it, or it was given up: nothing to be said of it. */
  | { readonly node: string; readonly is: 'left'; readonly reason: string };

const sampleMax = 20;
/** Short transactions, so that keepers and commands never wait for long. */
const chunkMax = 10_000;

/** @throws Fault of the node, as `xray/port.ts` lists them; anything else is the database's */
export async function reconcileNode(
  connection: SingleConnection,
  connect: ConnectNode,
  node: ListedNode,
  options: ComparisonOptions,
): Promise<Comparison> {
  const { db } = connection;
  let users = await listAndCompare(connection, connect, node, options);
  let counted = await readDriftCounts(db);
  const isTooMany = () => !options.confirmed && mustHoldRemovals(counted.toRemove, counted.ours);
  let held = 0;
  if (isTooMany()) {
    // Many who ended since the list was read, and whose keeper was quick, look the same.
    await saveDrift(db);
    users = await listAndCompare(connection, connect, node, options);
    counted = await readDriftCounts(db);
    if (isTooMany() && mustHoldRemovals(await readRepeatedCount(db, 'unwanted'), counted.ours)) {
      held = counted.toRemove;
    }
  }
  // So many others this time: the next comparison tells.
  const isDeferred = isTooMany();
  const comparison = {
    node: node.id,
    users,
    ...counted,
    held,
    sample: await readDriftSample(db, sampleMax),
  };
  if (options.dryRun) return { ...comparison, newlyMarked: 0, newlyConfirmed: 0 };
  if (held > 0) await raiseGuardAlarm(connection, node.id, held);
  else await clearGuardAlarm(connection, node.id);
  const newlyConfirmed = options.confirmed ? await confirmAll(connection, node, options.actor) : 0;
  return {
    ...comparison,
    newlyMarked: await markAll(connection, node, isDeferred),
    newlyConfirmed,
  };
}

/** Leaves `listed` and `drift` on the connection. @returns how many entries the lists have */
export async function listAndCompare(
  connection: SingleConnection,
  connect: ConnectNode,
  node: ListedNode,
  { signal, onUsers }: Pick<ComparisonOptions, 'signal' | 'onUsers'>,
): Promise<number> {
  await createListedTable(connection.db);
  const startedAt = await readClock(connection.db);
  const api = connect({ api: node.api, tls: node.tls });
  try {
    const known = await api.readInbounds({ signal });
    const inbounds = node.inbounds.map((tag) => {
      const found = known.find((each) => each.tag === tag);
      return { hasFlow: found?.manages === true && found.protocol === 'vless' };
    });
    // One that is gone, or has no users any more, has nobody of ours.
    const formerInbounds = node.formerInbounds.filter((tag) =>
      known.some((each) => each.tag === tag && each.manages),
    );
    const { installation } = node;
    const tags = { inbounds: node.inbounds, formerInbounds };
    const listing = { ...tags, installation, signal, onUsers };
    const users = await listInto(connection, api, listing);
    await writeDrift(connection.db, { node: node.id, startedAt, inbounds });
    return users;
  } finally {
    api.close();
  }
}

async function markAll(
  { db }: SingleConnection,
  { id, seeding }: ListedNode,
  held: boolean,
): Promise<number> {
  const markedKinds = driftKinds.filter((kind) => mustMark(kind, { held, seeding }));
  return inChunks(db, (tx, now, after, upTo) =>
    markDrift(tx, { node: id, kinds: markedKinds, now }, after, upTo),
  );
}

/** What a person said goes for the names of this comparison, and for no later one (X3). */
async function confirmAll(
  { db }: SingleConnection,
  { id, bootAt }: ListedNode,
  actor: string,
): Promise<number> {
  return inChunks(db, (tx, now, after, upTo) =>
    confirmUnknown(tx, { node: id, bootAt, actor, now }, after, upTo),
  );
}

/** Over all of `drift`, in transactions of their own. @returns the sum of what each wrote */
export async function inChunks(
  db: SingleConnection['db'],
  write: (tx: Tx, now: Instant, after: number, upTo: number) => Promise<number>,
): Promise<number> {
  const last = await readLastDriftNumber(db);
  let written = 0;
  for (let after = 0; after < last; after += chunkMax) {
    written += await inTransaction(db, async (tx) =>
      write(tx, await readClock(tx), after, after + chunkMax),
    );
  }
  return written;
}

/** While its keeper marks everybody after a start of the node, those who miss are on their way. */
function mustMark(
  kind: DriftKind,
  { held, seeding }: { held: boolean; seeding: boolean },
): boolean {
  switch (toTreatment(kind)) {
    case 'mark':
      return kind !== 'missing' || !seeding;
    case 'guard':
      return !held;
    case 'confirm':
    case 'report':
      return false;
  }
}

async function raiseGuardAlarm(
  { db }: SingleConnection,
  node: string,
  held: number,
): Promise<void> {
  await inTransaction(db, async (tx) => {
    const params = { worker: 'reconcile-xray-state', subject: node, held };
    await raiseAlarms(tx, [{ kind: 'alarm_guard', params }]);
  });
}

/** Costs one look at the alarms where there is none. */
async function clearGuardAlarm({ db }: SingleConnection, node: string): Promise<void> {
  await inTransaction(db, async (tx) => {
    await lockAlarms(tx);
    const now = await readClock(tx);
    const open = await readOpenAlarms(tx, now);
    const over = open.filter(({ kind, subject }) => kind === 'alarm_guard' && subject === node);
    await clearAlarms(tx, over, now);
  });
}

/** What went wrong is the node's, or on the way to it; nothing that the database did is a Fault yet. */
export function isComparisonFault(error: unknown): error is Fault {
  return error instanceof Fault;
}
