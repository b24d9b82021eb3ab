import { sql } from 'kysely';
import { audit } from '../audit/audit.ts';
import type { Config } from '../config.ts';
import type { Db } from '../db/connect.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { workers } from '../workers/index.ts';
import type { KeeperLog } from '../workers/keep-node/keeper.ts';
import { drive } from './drive.ts';
import { makeBooks } from './made-books.ts';
import { News } from './news.ts';
import { type DemoNode, type NodeShown, startDemoNode } from './node.ts';
import { People } from './people.ts';
import { randomOf } from './random.ts';
import { addTo, emptyTotals, type Shown, type View } from './view.ts';

export interface DemoOptions {
  readonly dataDir: string;
  readonly catalog: Config;
  readonly customers: number;
  readonly seed: number;
  readonly from: Instant | undefined;
  readonly rate: number;
  readonly view: View;
  readonly signal: AbortSignal;
  /** Trouble, which a demo has no business to have. */
  readonly say: (sentence: string) => void;
}

/** How often the books are audited and counted, in real time. */
const auditEveryMs = 3 * secondMs;
/** How often the node is compared with the books; less often where that takes long. */
const compareEveryMs = 500;
const comparingShare = 20;
/** How often the view is told what is new; an eye doesn't need more. */
const newsEveryMs = 100;

/** Runs a demo until `signal`, and gives what was shown last. */
export async function demo(options: DemoOptions): Promise<Shown> {
  const node = await startDemoNode();
  try {
    const { catalog } = options;
    const file = { ...catalog.file, nodes: [node.config] };
    return await run({ ...options, catalog: { ...catalog, file } }, node);
  } finally {
    await node.stop();
  }
}

async function run(options: DemoOptions, node: DemoNode): Promise<Shown> {
  const { view, signal, rate } = options;
  const books = await makeBooks(options);
  const log = trouble(options.say);
  const news = new News(books.db);
  node.keep({ ...books, log }, books.now);
  const compared = comparing(node);
  let shown: Shown = await lookAgain(books.db, {
    now: books.now,
    rate,
    askedRate: rate,
    totals: emptyTotals(),
    balanceMinor: 0n,
    audit: undefined,
    node: await compared(),
  });
  const elapsedMs = stopwatch();
  let lookedMs = 0;
  let toldMs = 0;
  // The rate is that of the last two looks, so that a slow start does not count.
  let marks = [{ now: books.now, ms: 0 }];

  async function onStep(now: Instant): Promise<void> {
    if (elapsedMs() - toldMs < newsEveryMs) return;
    toldMs = elapsedMs();
    const items = await news.read();
    const totals = addTo(shown.totals, items);
    shown = {
      ...shown,
      now,
      totals,
      node: await compared(),
      rate: rateSince(marks[0], { now, ms: elapsedMs() }),
    };
    if (elapsedMs() - lookedMs > auditEveryMs) {
      lookedMs = elapsedMs();
      marks = [...marks.slice(-1), { now, ms: lookedMs }];
      shown = await lookAgain(books.db, shown);
    }
    view.show(shown, items);
  }

  try {
    await news.skip();
    await drive({
      ...books,
      workers,
      people: new People(books.db, randomOf(options.seed), books.now),
      from: books.now,
      rate,
      signal,
      log,
      isQuiet: () => node.isQuiet(),
      onStep,
    });
    shown = { ...shown, node: await atRest(node) };
    return await lookAgain(books.db, shown);
  } finally {
    view.end();
    await node.stop();
    await books.close();
  }
}

interface PaceMark {
  readonly now: Instant;
  readonly ms: number;
}

/** Virtual time in real time, between two moments. */
function rateSince(before: PaceMark | undefined, { now, ms }: PaceMark): number {
  return before === undefined ? 0 : (now - before.now) / Math.max(1, ms - before.ms);
}

function trouble(say: DemoOptions['say']): KeeperLog {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (_, message) => say(message),
    error: (fields, message) => say(`${message}: ${JSON.stringify(fields)}`),
  };
}

/** What the node was when it was looked at last; looks again when that is some time ago. */
function comparing(node: DemoNode): () => Promise<NodeShown> {
  let last: { readonly shown: NodeShown; readonly agoMs: () => number; readonly tookMs: number };
  return async () => {
    const everyMs = Math.max(compareEveryMs, (last?.tookMs ?? 0) * comparingShare);
    if (last !== undefined && last.agoMs() < everyMs) return last.shown;
    const tookMs = stopwatch();
    const shown = await atRest(node);
    last = { shown, agoMs: stopwatch(), tookMs: tookMs() };
    return shown;
  };
}

/** Books and node are read one after the other: a difference without a mark is looked at again. */
async function atRest(node: DemoNode): Promise<NodeShown> {
  let shown = await node.look();
  for (let more = 3; more > 0 && !shown.equal && shown.marks === 0; more -= 1) {
    shown = await node.look();
  }
  return shown;
}

/** Counts what is costly to count, and audits. */
async function lookAgain(db: Db, shown: Shown): Promise<Shown> {
  const { checks } = await audit(db);
  const { rows } = await sql<{ balance: bigint }>`
    SELECT coalesce(sum(balance_minor), 0)::bigint AS balance FROM perennial.customer`.execute(db);
  const violations = Number(checks.reduce((sum, check) => sum + check.violations, 0n));
  return {
    ...shown,
    balanceMinor: rows[0]?.balance ?? 0n,
    audit: { checks: checks.length, violations },
  };
}
