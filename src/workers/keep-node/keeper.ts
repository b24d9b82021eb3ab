import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { Fence, leaseLostCode } from '../../leases/fence.ts';
import { delayAbort, WakeableSleep } from '../../leases/wakeable-sleep.ts';
import { releaseQuarantined } from '../../runs/quarantine.ts';
import type { NodeApi } from '../../xray/port.ts';
import { readCapabilities } from './capabilities.ts';
import { type Connect, ConnectionState } from './connection-state.ts';
import { CrashSuspects } from './crash-suspects.ts';
import { Lanes, type LaneToken } from './lanes.ts';
import { holdsLease, type Lease, leaseLost, seedChunk, writeNodeError } from './node-store.ts';
import { probe } from './probe.ts';
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

// The keeper of one node: two loops of its own, so that no other node waits for this one. One
// probes; the other works off marks, page after page with two hands, and fills the node again after
// it was started. It ends with the signal, or when somebody else has become the node's keeper.

export interface KeeperLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface KeeperOptions {
  readonly db: Db;
  readonly lease: Lease;
  readonly connect: Connect;
  readonly signal: AbortSignal;
  readonly log: KeeperLog;
  readonly probeMs?: number;
  /** How often marks are looked for without being told of them. */
  readonly pollMs?: number;
  /** A clock that only goes forward; ms. */
  readonly nowMs?: () => number;
}

export interface Keeper {
  /** Never rejects. */
  readonly done: Promise<void>;
  /** There may be marks. */
  wake(): void;
}

/**
 * What calls that are under way get to end when the keeper does. One that is given up may arrive
 * after its successor has told the node something else, and nobody would know.
 */
const callGraceMs = secondMs;

const logTexts = {
  returned: 'node is well',
  started: 'node was started: it is filled',
  unsure: 'node may have been started: it is filled',
  lost: 'an inbound lost users while the node ran: the node is filled',
} as const;

/** Marks read at once: a new removal waits for no more than the calls of these, in each hand. */
const pageMax = 512;

export function startKeeper(options: KeeperOptions): Keeper {
  const { db, lease, log, probeMs = 2 * secondMs, pollMs = 2 * secondMs } = options;
  const replaced = new AbortController();
  const signal = AbortSignal.any([options.signal, replaced.signal]);
  const ended = new AbortController();
  const calls = delayAbort(signal, callGraceMs, ended.signal);
  const connection = new ConnectionState(options.connect, options.nowMs);
  const fence = new Fence({
    isHeld: () => holdsLease(db, lease),
    createFault: () => leaseLost(lease),
  });
  const markSleeper = new WakeableSleep();
  const probeSleeper = new WakeableSleep();
  const lanes = new Lanes();
  const crashSuspects = new CrashSuspects(db, lease);
  const logFields = { worker, node: lease.node };

  async function probeNode(): Promise<'idle'> {
    const pendingSuspects = crashSuspects.pending;
    const outcome = await probe({ db, lease, connection, signal });
    if (outcome.is === 'untold') return 'idle';
    if (outcome.is === 'failed') {
      // The third one opens the breaker; the ones after it say nothing new.
      const { fault, failures } = outcome;
      const level = failures === 1 || failures === 3 ? 'warn' : 'debug';
      log[level]({ ...logFields, code: fault.code, failures }, fault.message);
      return 'idle';
    }
    await crashSuspects.resolve(pendingSuspects, {
      bootedByMs: outcome.bootedByMs,
      bootCount: connection.bootCount,
    });
    if (outcome.is === 'well') return 'idle';
    if (outcome.is === 'lost') log.warn({ ...logFields, inbound: outcome.tag }, logTexts.lost);
    else log.info(logFields, logTexts[outcome.is]);
    markSleeper.wake();
    return 'idle';
  }

  async function work(): Promise<'idle'> {
    await lanes.run(signal, step);
    return 'idle';
  }

  async function step(next: LaneToken): Promise<'more' | 'idle'> {
    const api = connection.getWorkApi();
    if (api === undefined) return 'idle';
    const page = await readNextPage(api);
    if (page === 'more' || page === 'idle') return page;
    const releasePage = lanes.addPage(page.marks.map(({ credentialId }) => credentialId));
    // After the last ones there is nothing to look for. Those are short pages, and suspects, who go
    // with nothing else under way.
    if (page.marks.length === pageMax) next.pass();
    try {
      return await runPage(api, page);
    } finally {
      releasePage();
    }
  }

  async function readNextPage(api: NodeApi): Promise<MarkPage | 'more' | 'idle'> {
    if (!(await canWork(api))) return 'idle';
    if (!connection.capabilitiesKnown) return readNextRemovals();
    const isSeeding = !connection.seeded && (await seedNext());
    const page = await readMarks(pageMax, 'others');
    if (page === undefined) return 'idle';
    if (page.marks.length > 0) return page;
    if (lanes.inProgress.length > 0) {
      // What the other hand is at may be marked again.
      await lanes.waitUntilEmpty();
      return 'more';
    }
    if (page.hasStrays) return removeNextStrays(api, page);
    if (isSeeding) return 'more';
    if (!page.hasSuspects || crashSuspects.pending.length > 0) return 'idle';
    const suspects = await readMarks(suspectsMax, 'suspects');
    if (suspects === undefined) return 'idle';
    // One of them may have been marked for something else meanwhile.
    return suspects.marks.length > 0 ? suspects : 'more';
  }

  /** Where nobody can be added: who is urgent, and all as often as that is found out. */
  async function readNextRemovals(): Promise<MarkPage | 'idle'> {
    await lanes.waitUntilEmpty();
    const page = await readMarks(
      pageMax,
      connection.isRemovalScanPending ? 'removals' : 'urgent_removals',
    );
    if (page === undefined) return 'idle';
    if (page.marks.length < pageMax) connection.isRemovalScanPending = false;
    return page.marks.length === 0 ? 'idle' : page;
  }

  /** @returns undefined: they are meant for a node at another address, which the next probe finds */
  async function readMarks(max: number, selection: MarkSelection): Promise<MarkPage | undefined> {
    const page = await readMarkPage(db, lease, max, { selection, inProgress: lanes.inProgress });
    if (page === undefined) throw leaseLost(lease);
    if (connection.isConnectedTo(page.api)) return page;
    probeSleeper.wake();
    return undefined;
  }

  async function runPage(api: NodeApi, page: MarkPage): Promise<'more' | 'idle'> {
    const { backoffCount, bootCount } = connection;
    const fromMs = connection.nowMs();
    const inFlightMax = computeInFlightMax(connection.roundTripMs);
    const result = await applyPage({ api, page, inFlightMax, fence, signal, calls });
    await storeResults(page, result);
    crashSuspects.add(result.settled, { fromMs, bootCount });
    return finishPage(result.stopped, backoffCount);
  }

  /** Removes names that were confirmed, when no mark is due: who lost by it is marked, and is next. */
  async function removeNextStrays(api: NodeApi, page: MarkPage): Promise<'more' | 'idle'> {
    const { backoffCount } = connection;
    const { now } = page;
    const inbounds = [...page.inbounds, ...page.formerInbounds];
    const strays = await readStrays(db, lease, straysMax);
    const work = { db, lease, api, now, inbounds, fence, signal, calls };
    const { settled, stopped } = await removeStrays(work, strays);
    await inTransaction(db, (tx) => writeStrayResults(tx, lease, settled, now));
    return finishPage(stopped, backoffCount);
  }

  /** @param backoffCount how often the work had come to rest when it began */
  async function finishPage(
    stopped: PageResult['stopped'],
    backoffCount: number,
  ): Promise<'more' | 'idle'> {
    // The other hand may have met the same failure before.
    const isFirstReport = connection.backoffCount === backoffCount;
    if (stopped === undefined) {
      if (isFirstReport) connection.recordSuccess();
      return 'more';
    }
    const { fault, source } = stopped;
    if (source === 'fence') throw fault;
    if (isFirstReport) await pauseWork(fault);
    return 'idle';
  }

  /** @returns whether the work goes on, be it with removals alone */
  async function canWork(api: NodeApi): Promise<boolean> {
    if (connection.capabilitiesKnown || connection.isBlocked()) return true;
    const warn = (sentence: string) =>
      log.warn(
        { ...logFields, code: 'link_misfit' },
        `customers cannot connect by the link: ${sentence}`,
      );
    const fault = await readCapabilities({ db, lease, api, connection, signal, warn });
    if (fault?.kind === 'permanent') {
      log.warn({ ...logFields, code: fault.code, err: fault }, `nobody is added: ${fault.message}`);
      await writeNodeError(db, lease, fault.message);
    } else if (fault !== undefined) {
      await pauseWork(fault);
      return false;
    }
    connection.recordCapabilities(fault);
    return true;
  }

  /** Marks a stretch of those who may connect. @returns whether there is more to mark */
  async function seedNext(): Promise<boolean> {
    const { bootAt } = connection;
    if (bootAt === undefined) return false;
    if (connection.mustReseed) {
      await lanes.waitUntilEmpty();
      connection.mustReseed = false;
    }
    const seeded = await inTransaction(db, async (tx) =>
      seedChunk(tx, lease, bootAt, await readClock(tx)),
    );
    // Started once more, or somebody else's: the next probe says which.
    if (seeded === undefined) return false;
    log.info({ ...logFields, ...seeded }, 'who may connect is marked');
    connection.seeded = seeded.done;
    connection.hasAdded = true;
    return !seeded.done;
  }

  async function storeResults(page: MarkPage, { settled, held }: PageResult): Promise<void> {
    if (held.length > 0) await inTransaction(db, (tx) => postponeHeld(tx, lease, held, page.now));
    await inTransaction(db, async (tx) => {
      await writeMarkResults(tx, lease, page.bootAt, settled, page.now);
      const recovered = settled.filter(({ mark, failed }) => mark.lost > 0 && failed === undefined);
      const items = recovered.map(({ mark }) => toMarkItem(lease.node, mark));
      await releaseQuarantined(tx, worker, items);
    });
    for (const { mark, failed } of settled) {
      if (failed === undefined) {
        if (mark.wanted) connection.hasAdded = true;
        continue;
      }
      const item = toMarkItem(lease.node, mark);
      log.debug({ ...logFields, item, attempts: mark.attempts + 1 }, failed.error);
    }
  }

  async function pauseWork(fault: Fault): Promise<void> {
    if (fault.code === 'node_cancelled' && signal.aborted) return;
    const level = fault.kind === 'bug' ? 'error' : 'warn';
    log[level]({ ...logFields, code: fault.code, err: fault }, `work rests: ${fault.message}`);
    connection.recordFailure(fault);
    await writeNodeError(db, lease, fault.message);
  }

  async function loop(
    sleeper: WakeableSleep,
    everyMs: number,
    next: () => Promise<'more' | 'idle'>,
  ) {
    while (!signal.aborted) {
      try {
        if ((await next()) === 'more') continue;
      } catch (error) {
        const fault = toFault(error);
        if (fault.code === leaseLostCode) {
          log.info(logFields, fault.message);
          replaced.abort();
          return;
        }
        const level = fault.kind === 'transient' ? 'warn' : 'error';
        log[level]({ ...logFields, code: fault.code, err: fault }, `keeper: ${fault.message}`);
      }
      const backoffMs = sleeper === markSleeper ? connection.backoffMs() : 0;
      await sleeper.sleep(backoffMs > 0 ? Math.min(backoffMs, everyMs) : everyMs, signal);
    }
  }

  const loops = [loop(probeSleeper, probeMs, probeNode), loop(markSleeper, pollMs, work)];
  return {
    done: Promise.all(loops).then(() => {
      connection.close();
      ended.abort();
    }),
    wake: () => markSleeper.wake(),
  };
}
