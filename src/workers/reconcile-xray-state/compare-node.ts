import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import type { SingleConnection } from '../../db/single-connection.ts';
import { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { clearAlarms, lockAlarms, raiseAlarms, readOpenAlarms } from '../../outbox/alarms.ts';
import { takeConfirmed } from '../../runs/confirmation.ts';
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

// The comparison of one node. The order is a guarantee: first the list, then the database, then
// marks (X1, X2).

/** Connects to a node. */
export type ConnectNode = (address: NodeAddress) => NodeApi;

/** Called from time to time with the number of entries that were read. */
export type OnUsers = (users: number) => void;

export interface ComparisonOptions {
  readonly signal: AbortSignal;
  /** Compares only. */
  readonly dryRun: boolean;
  /**
   * A person confirmed the removals that the guard holds, and of names that are not in the
   * database.
   */
  readonly confirmed: boolean;
  /** The actor in the timeline. Not used if nothing is written. */
  readonly actor: string;
  readonly onUsers?: OnUsers | undefined;
}

export interface Comparison extends DriftCounts {
  readonly node: string;
  /** Entries of the node's lists, including foreign ones. */
  readonly users: number;
  /** New marks. */
  readonly newlyMarked: number;
  /**
   * Names that are not in the database, and whose removal a person confirmed in this comparison.
   */
  readonly newlyConfirmed: number;
  /** Removals that the guard holds until they are confirmed. */
  readonly held: number;
  readonly sample: readonly Drift[];
}

/** The result for one node. */
export type ComparisonOutcome =
  | { readonly node: string; readonly is: 'compared'; readonly comparison: Comparison }
  | { readonly node: string; readonly is: 'failed'; readonly fault: Fault }
  /** Another run compares the node, or the node was removed. */
  | { readonly node: string; readonly is: 'left'; readonly reason: string };

const sampleMax = 20;
/** Short transactions, so that keepers and commands never wait for long. */
const chunkMax = 10_000;

/**
 * @throws Fault of the node, as `xray/port.ts` lists them; any other error is that of the database
 */
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
    // Many users who expired after the list was read, and whose keeper was fast, look the same.
    await saveDrift(db);
    users = await listAndCompare(connection, connect, node, options);
    counted = await readDriftCounts(db);
    if (isTooMany() && mustHoldRemovals(await readRepeatedCount(db, 'unwanted'), counted.ours)) {
      held = counted.toRemove;
    }
  }
  const isReleased = held > 0 && !options.dryRun && (await isConfirmed(connection, node.id, held));
  if (isReleased) held = 0;
  // This many new ones at once wait for the confirmation of the next comparison.
  const isDeferred = isTooMany() && !isReleased;
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

/** Takes the confirmation of this node if it covers all removals of this comparison. */
const isConfirmed = ({ db }: SingleConnection, node: string, held: number): Promise<boolean> =>
  inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const use = { worker: 'reconcile-xray-state', subject: node, wanted: held, now };
    return (await takeConfirmed(tx, { ...use, isWhole: true })) > 0;
  });

/** Leaves `listed` and `drift` on the connection. @returns the number of entries in the lists */
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
    // A removed inbound, or one without users, has none of our users.
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

/** A confirmation covers the names of this comparison, and never those of a later one (X3). */
async function confirmAll(
  { db }: SingleConnection,
  { id, bootAt }: ListedNode,
  actor: string,
): Promise<number> {
  return inChunks(db, (tx, now, after, upTo) =>
    confirmUnknown(tx, { node: id, bootAt, actor, now }, after, upTo),
  );
}

/** Walks all of `drift`, in one transaction per chunk. @returns the sum of the written rows */
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

/** While its keeper marks all credentials after a restart, missing users are on their way. */
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

/** Costs one read of the alarms if there is none. */
async function clearGuardAlarm({ db }: SingleConnection, node: string): Promise<void> {
  await inTransaction(db, async (tx) => {
    await lockAlarms(tx);
    const now = await readClock(tx);
    const open = await readOpenAlarms(tx, now);
    const over = open.filter(({ kind, subject }) => kind === 'alarm_guard' && subject === node);
    await clearAlarms(tx, over, now);
  });
}

/**
 * True if the node or its connection failed. An error of the database is no Fault at this point.
 */
export function isComparisonFault(error: unknown): error is Fault {
  return error instanceof Fault;
}
