import { sql } from 'kysely';
import { runAudit } from '../audit/audit.ts';
import type { Config } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { TaskLog } from '../logging/log.ts';
import { workers } from '../workers/index.ts';
import { ActivityReader } from './activity.ts';
import { DemoCustomers } from './customers.ts';
import { createDemoDatabase, type DemoDatabase } from './demo-database.ts';
import { type DemoNode, type NodeState, startDemoNode } from './node.ts';
import { createRandom } from './random.ts';
import { addToTotals, createTotals, type DemoState, type DemoView } from './view.ts';
import { runVirtualTime } from './virtual-time.ts';

export interface DemoOptions {
  readonly dataDir: string;
  readonly catalog: Config;
  readonly customers: number;
  readonly seed: number;
  readonly from: Instant | undefined;
  readonly rate: number;
  readonly view: DemoView;
  /** Serves the dashboard over the database. The demo stops it before its end. */
  readonly serve?: (database: DemoDatabase) => Promise<{ stop(): Promise<void> }>;
  readonly signal: AbortSignal;
  /** Logs a problem. A demo should have none. */
  readonly logProblem: (sentence: string) => void;
}

/** The interval of the audit and the counts, in real time. */
const auditEveryMs = 3 * secondMs;
/** The interval of the comparison with the node; longer if a comparison takes long. */
const compareEveryMs = 500;
const compareCostFactor = 20;
/** The interval of the view. */
const viewEveryMs = 100;

/** Runs a demo until `signal`. @returns the last values of the view */
export async function runDemo(options: DemoOptions): Promise<DemoState> {
  const node = await startDemoNode();
  try {
    const { catalog } = options;
    const file = { ...catalog.file, nodes: [node.config] };
    return await runWithNode({ ...options, catalog: { ...catalog, file } }, node);
  } finally {
    await node.stop();
  }
}

async function runWithNode(options: DemoOptions, node: DemoNode): Promise<DemoState> {
  const database = await createDemoDatabase(options);
  try {
    const server = await options.serve?.(database);
    try {
      return await runWithDatabase(options, node, database);
    } finally {
      await server?.stop();
    }
  } finally {
    options.view.end();
    await node.stop();
    await database.close();
  }
}

async function runWithDatabase(
  options: DemoOptions,
  node: DemoNode,
  database: DemoDatabase,
): Promise<DemoState> {
  const { view, signal, rate } = options;
  const log = createKeeperLog(options.logProblem);
  const activity = new ActivityReader(database.db);
  node.startKeeper({ ...database, log }, database.now);
  const readNode = createNodeReader(node);
  let state: DemoState = await readAuditedState(database.db, {
    now: database.now,
    rate,
    requestedRate: rate,
    totals: createTotals(),
    balanceMinor: 0n,
    audit: undefined,
    node: await readNode(),
  });
  const elapsedMs = stopwatch();
  let auditedMs = 0;
  let shownMs = 0;
  // The rate is that of the last two views, so that a slow start does not count.
  let paceMarks = [{ now: database.now, ms: 0 }];

  async function onStep(now: Instant): Promise<void> {
    if (elapsedMs() - shownMs < viewEveryMs) return;
    shownMs = elapsedMs();
    const items = await activity.read();
    const totals = addToTotals(state.totals, items);
    state = {
      ...state,
      now,
      totals,
      node: await readNode(),
      rate: rateSince(paceMarks[0], { now, ms: elapsedMs() }),
    };
    if (elapsedMs() - auditedMs > auditEveryMs) {
      auditedMs = elapsedMs();
      paceMarks = [...paceMarks.slice(-1), { now, ms: auditedMs }];
      state = await readAuditedState(database.db, state);
    }
    view.show(state, items);
  }

  await activity.skipExisting();
  await runVirtualTime({
    ...database,
    // Alarms compare nodes and couriers, which work in real time, with the virtual time.
    workers: workers.filter(({ name }) => name !== 'raise-alarms'),
    customers: new DemoCustomers(database.db, createRandom(options.seed), database.now),
    from: database.now,
    rate,
    signal,
    log,
    isSynced: () => node.isSynced(),
    onStep,
  });
  state = { ...state, node: await readStableNode(node) };
  return await readAuditedState(database.db, state);
}

interface PaceMark {
  readonly now: Instant;
  readonly ms: number;
}

/** Virtual time per real time, between two moments. */
function rateSince(before: PaceMark | undefined, { now, ms }: PaceMark): number {
  return before === undefined ? 0 : (now - before.now) / Math.max(1, ms - before.ms);
}

function createKeeperLog(logProblem: DemoOptions['logProblem']): TaskLog {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (_, message) => logProblem(message),
    error: (fields, message) => logProblem(`${message}: ${JSON.stringify(fields)}`),
  };
}

/** The last state of the node, read again after its interval. */
function createNodeReader(node: DemoNode): () => Promise<NodeState> {
  let last: { readonly state: NodeState; readonly ageMs: () => number; readonly tookMs: number };
  return async () => {
    const everyMs = Math.max(compareEveryMs, (last?.tookMs ?? 0) * compareCostFactor);
    if (last !== undefined && last.ageMs() < everyMs) return last.state;
    const tookMs = stopwatch();
    const state = await readStableNode(node);
    last = { state, ageMs: stopwatch(), tookMs: tookMs() };
    return state;
  };
}

/** Database and node are read one after the other, so a difference without a mark is read again. */
async function readStableNode(node: DemoNode): Promise<NodeState> {
  let state = await node.readState();
  for (
    let attemptsLeft = 3;
    attemptsLeft > 0 && !state.equal && state.marks === 0;
    attemptsLeft -= 1
  ) {
    state = await node.readState();
  }
  return state;
}

/** Runs the expensive counts and the audit. */
async function readAuditedState(db: Db, state: DemoState): Promise<DemoState> {
  const { checks } = await runAudit(db);
  const { rows } = await sql<{ balance: bigint }>`
    SELECT coalesce(sum(balance_minor), 0)::bigint AS balance FROM perennial.customer`.execute(db);
  const violations = Number(checks.reduce((sum, check) => sum + check.violations, 0n));
  return {
    ...state,
    balanceMinor: rows[0]?.balance ?? 0n,
    audit: { checks: checks.length, violations },
  };
}
