import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Fence } from '../../leases/fence.ts';
import type { Lease } from '../../leases/lease.ts';
import type { TaskLog } from '../../logging/log.ts';
import { releaseQuarantined } from '../../runs/quarantine.ts';
import type { NodeApi } from '../../xray/port.ts';
import { readCapabilities } from './capabilities.ts';
import type { KeeperConnection } from './connection.ts';
import { decideWork } from './connection-state.ts';
import type { CrashSuspects } from './crash-suspects.ts';
import type { Lanes, LaneToken } from './lanes.ts';
import { leaseLost, seedChunk, writeNodeError } from './node-store.ts';
import { computeInFlightMax, suspectsMax } from './rule.ts';
import {
  type MarkPage,
  type MarkSelection,
  postponeHeld,
  readMarkPage,
  toMarkItem,
  keepNodeName as worker,
  writeMarkResults,
} from './store.ts';
import { readStrays, writeStrayResults } from './stray-store.ts';
import { removeStrays, straysMax } from './strays.ts';
import { applyPage, type PageResult } from './sync.ts';

// One step of a lane: it checks the node, or reads a page of marks and applies it.
//
// `decideWork` decides which step is due. The order inside a step is: seed, marks of credentials
// that are not suspected, confirmed stray users, suspects.

export interface WorkContext {
  readonly db: Db;
  readonly lease: Lease;
  readonly connection: KeeperConnection;
  readonly fence: Fence;
  readonly lanes: Lanes;
  readonly crashSuspects: CrashSuspects;
  readonly log: TaskLog;
  /** Aborted: no new call begins. */
  readonly signal: AbortSignal;
  /** Aborted: pending calls are cancelled. */
  readonly calls: AbortSignal;
  /** Starts the next probe now. */
  probeSoon(): void;
}

/** `idle`: there is nothing to do now. */
type StepResult = 'more' | 'idle';

/**
 * Marks per page. It bounds how long a new removal waits for the calls of the pages in progress.
 */
const pageMax = 512;

export async function runWorkStep(context: WorkContext, token: LaneToken): Promise<StepResult> {
  const { connection } = context;
  const { api } = connection;
  const step = decideWork(connection.state, connection.nowMs());
  if (api === undefined || step.do === 'wait') return 'idle';
  switch (step.do) {
    case 'check':
      return checkNode(context, api);
    case 'remove':
      return applyNext(context, api, token, await readNextRemovals(context, step.removals));
    case 'seed': {
      const isSeeding = await seedNext(context, step);
      return applyNext(context, api, token, await readNextPage(context, api, isSeeding));
    }
    case 'apply':
      return applyNext(context, api, token, await readNextPage(context, api, false));
  }
}

/** Checks if users can be added, before the first add to a boot. */
async function checkNode(context: WorkContext, api: NodeApi): Promise<StepResult> {
  const { db, lease, connection, log, signal } = context;
  const logFields = { worker, node: lease.id };
  const warn = (sentence: string) =>
    log.warn(
      { ...logFields, code: 'link_misfit' },
      `customers cannot connect by the link: ${sentence}`,
    );
  const found = await readCapabilities({ db, lease, api, connection, signal, warn });
  if (typeof found === 'string') {
    connection.receive({ is: 'checked', capabilitiesKey: found });
    return 'more';
  }
  if (found.kind !== 'permanent') {
    await pauseWork(context, found);
    return 'idle';
  }
  log.warn({ ...logFields, code: found.code, err: found }, `no user is added: ${found.message}`);
  await writeNodeError(db, lease, found.message);
  connection.receive({ is: 'blocked', fault: found });
  return 'more';
}

/** Reads removals while no user can be added. The state is checked again after an empty page. */
async function readNextRemovals(
  context: WorkContext,
  removals: 'all' | 'urgent',
): Promise<MarkPage | 'idle'> {
  const { connection, lanes } = context;
  await lanes.waitUntilEmpty();
  const selection = removals === 'all' ? 'removals' : 'urgent_removals';
  const page = await readMarks(context, pageMax, selection);
  if (page === undefined) return 'idle';
  if (page.marks.length < pageMax) connection.receive({ is: 'scanned' });
  return page.marks.length === 0 ? 'idle' : page;
}

async function readNextPage(
  context: WorkContext,
  api: NodeApi,
  isSeeding: boolean,
): Promise<MarkPage | StepResult> {
  const { lanes, crashSuspects } = context;
  const page = await readMarks(context, pageMax, 'others');
  if (page === undefined) return 'idle';
  if (page.marks.length > 0) return page;
  if (lanes.inProgress.length > 0) {
    // The marks of the other lane may be made again.
    await lanes.waitUntilEmpty();
    return 'more';
  }
  if (page.hasStrays) return removeNextStrays(context, api, page);
  if (isSeeding) return 'more';
  if (!page.hasSuspects || crashSuspects.pending.length > 0) return 'idle';
  const suspects = await readMarks(context, suspectsMax, 'suspects');
  if (suspects === undefined) return 'idle';
  // A suspect may have been marked for a removal meanwhile.
  return suspects.marks.length > 0 ? suspects : 'more';
}

/**
 * @returns undefined if the marks are for a node at another address; the next probe connects to it
 */
async function readMarks(
  { db, lease, connection, lanes, probeSoon }: WorkContext,
  max: number,
  selection: MarkSelection,
): Promise<MarkPage | undefined> {
  const page = await readMarkPage(db, lease, max, { selection, inProgress: lanes.inProgress });
  if (page === undefined) throw leaseLost(lease);
  if (connection.isConnectedTo(page.api)) return page;
  probeSoon();
  return undefined;
}

async function applyNext(
  context: WorkContext,
  api: NodeApi,
  token: LaneToken,
  page: MarkPage | StepResult,
): Promise<StepResult> {
  if (page === 'more' || page === 'idle') return page;
  const releasePage = context.lanes.addPage(page.marks.map(({ credentialId }) => credentialId));
  // Only a full page has more marks after it. Suspects are never a full page, so they run alone.
  if (page.marks.length === pageMax) token.pass();
  try {
    return await runPage(context, api, page);
  } finally {
    releasePage();
  }
}

async function runPage(context: WorkContext, api: NodeApi, page: MarkPage): Promise<StepResult> {
  const { connection, fence, signal, calls, crashSuspects } = context;
  const { bootCount, pause } = connection.state;
  const fromMs = connection.nowMs();
  const inFlightMax = computeInFlightMax(connection.roundTripMs);
  const result = await applyPage({ api, page, inFlightMax, fence, signal, calls });
  await storeResults(context, page, result);
  crashSuspects.add(result.settled, { fromMs, bootCount });
  return finishPage(context, result.stopped, pause.total);
}

/**
 * Removes confirmed stray users while no mark is due. A customer who loses access by it is marked.
 */
async function removeNextStrays(
  context: WorkContext,
  api: NodeApi,
  { now, inbounds, formerInbounds }: MarkPage,
): Promise<StepResult> {
  const { db, lease, connection, fence, signal, calls } = context;
  const pauses = connection.state.pause.total;
  const strays = await readStrays(db, lease, straysMax);
  const { settled, stopped } = await removeStrays(
    {
      ...{ db, lease, api, now, fence, signal, calls },
      inbounds: [...inbounds, ...formerInbounds],
    },
    strays,
  );
  await inTransaction(db, (tx) => writeStrayResults(tx, lease, settled, now));
  return finishPage(context, stopped, pauses);
}

/** @param pauses the total of pauses at the start of the page */
async function finishPage(
  context: WorkContext,
  stopped: PageResult['stopped'],
  pauses: number,
): Promise<StepResult> {
  const { connection } = context;
  if (stopped === undefined) {
    connection.receive({ is: 'applied', pauses });
    return 'more';
  }
  const { fault, source } = stopped;
  if (source === 'fence') throw fault;
  // The other lane may have reported the same failure.
  if (connection.state.pause.total === pauses) await pauseWork(context, fault);
  return 'idle';
}

/** Marks the next chunk of entitled credentials. @returns whether there are more */
async function seedNext(
  { db, lease, connection, lanes, log }: WorkContext,
  { bootAt, mustDrain }: { readonly bootAt: Instant; readonly mustDrain: boolean },
): Promise<boolean> {
  if (mustDrain) {
    await lanes.waitUntilEmpty();
    connection.receive({ is: 'drained' });
  }
  const seeded = await inTransaction(db, async (tx) =>
    seedChunk(tx, lease, bootAt, await readClock(tx)),
  );
  // Another boot or another keeper: the next probe finds out.
  if (seeded === undefined) return false;
  log.info({ worker, node: lease.id, ...seeded }, 'entitled credentials marked');
  connection.receive({ is: 'added' });
  if (seeded.done) connection.receive({ is: 'seeded' });
  return !seeded.done;
}

async function storeResults(
  { db, lease, connection, log }: WorkContext,
  page: MarkPage,
  { settled, held }: PageResult,
): Promise<void> {
  if (held.length > 0) await inTransaction(db, (tx) => postponeHeld(tx, lease, held, page.now));
  await inTransaction(db, async (tx) => {
    await writeMarkResults(tx, lease, page.bootAt, settled, page.now);
    const recovered = settled.filter(({ mark, failed }) => mark.lost > 0 && failed === undefined);
    const items = recovered.map(({ mark }) => toMarkItem(lease.id, mark));
    await releaseQuarantined(tx, worker, items);
  });
  if (settled.some(({ mark, failed }) => mark.wanted && failed === undefined))
    connection.receive({ is: 'added' });
  for (const { mark, failed } of settled) {
    if (failed === undefined) continue;
    const item = toMarkItem(lease.id, mark);
    log.debug({ worker, node: lease.id, item, attempts: mark.attempts + 1 }, failed.error);
  }
}

async function pauseWork(
  { db, lease, connection, log, signal }: WorkContext,
  fault: Fault,
): Promise<void> {
  if (fault.code === 'node_cancelled' && signal.aborted) return;
  const level = fault.kind === 'bug' ? 'error' : 'warn';
  log[level](
    { worker, node: lease.id, code: fault.code, err: fault },
    `work paused: ${fault.message}`,
  );
  connection.receive({ is: 'failed', fault });
  await writeNodeError(db, lease, fault.message);
}
