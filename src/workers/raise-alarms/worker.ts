import { readClock } from '../../db/clock.ts';
import { readDeletionTime } from '../../db/clock-mark.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import type { RunId } from '../../kernel/ids.ts';
import { type Instant, minuteMs } from '../../kernel/instant.ts';
import {
  type Alarm,
  callOff,
  type OpenAlarm,
  raise,
  readOpenAlarms,
  subjectOf,
  takeAlarms,
} from '../../notify/alarms.ts';
import { unfitness } from '../fitness.ts';
import type { PreviewContext } from '../preview.ts';
import type { RunContext } from '../run-context.ts';
import { countBatch, finishRun, type RunRow, reserveRunId, startRun } from '../run-record.ts';
import type { AlarmPreview } from '../worker.ts';
import { prune } from './retention.ts';
import { overOf } from './rule.ts';
import { noteUnkeptNodes, readSituation, unlessLocked } from './store.ts';

// Looks once a minute at what the books say of ourselves, and owes the admins what is new in it, and
// what is over. One transaction that reads and writes a few rows.

const name = 'raise-alarms';

interface Seen {
  readonly troubles: readonly Alarm[];
  readonly open: readonly OpenAlarm[];
  readonly over: readonly OpenAlarm[];
}

async function look(tx: Tx, now: Instant, isPreview = false): Promise<Seen> {
  const open = await readOpenAlarms(tx, now);
  const situation = await readSituation(tx, now, open, isPreview);
  return { troubles: situation.troubles, open, over: overOf(open, situation, subjectOf) };
}

/**
 * One look: raises what is new, and clears what is over. Replicas and the watchdog take turns.
 * @param more what the caller found
 */
export async function lookAndRaise(
  tx: Tx,
  more: readonly Alarm[] = [],
): Promise<{ readonly raised: number; readonly over: number }> {
  // The alarm lock comes last, so rows of nodes are written before it.
  const before = await readClock(tx);
  await unlessLocked(tx, (part) => noteUnkeptNodes(part, before));
  await takeAlarms(tx);
  const now = await readClock(tx);
  const { troubles, open, over } = await look(tx, now);
  const raised = Number(await raise(tx, [...troubles, ...more], open, now));
  return { raised, over: Number(await callOff(tx, over, now)) };
}

/** Of the budget of a run, what deletions by age get. */
const pruneShare = 0.5;

async function run(context: RunContext): Promise<RunRow> {
  const { db, replica, log } = context;
  const id = await reserveRunId(db);
  try {
    await startRun(db, id, name, replica, await readClock(db));
    try {
      const unfit = await unfitness(db, name, log, 'nothing');
      if (unfit !== undefined) {
        return await finishRun(db, id, await readClock(db), 'skipped', { ...unfit });
      }
      await inTransaction(db, async (tx) => {
        const detail = await lookAndRaise(tx);
        const changed = detail.raised + detail.over;
        await countBatch(tx, id, { examined: changed, changed, failed: 0, detail });
      });
      await pruneHistory(context, id);
    } catch (error) {
      const { kind, code, message } = faultOf(error);
      log.error({ worker: name, code, err: error }, 'run failed');
      return await finishRun(db, id, await readClock(db), 'failed', { kind, code, error: message });
    }
    return await finishRun(db, id, await readClock(db), 'success', {});
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}

/** Deletes what is older than `retention:`. What is left is for the next run. */
async function pruneHistory(context: RunContext, id: RunId): Promise<void> {
  const { db, signal, budgetMs, elapsedMs } = context;
  const mayContinue = () => elapsedMs() < budgetMs * pruneShare;
  const at = await readDeletionTime(db);
  if (at === undefined) return;
  const { notices, events } = await prune(db, at, { signal, mayContinue });
  const changed = notices + events;
  if (changed === 0) return;
  const detail = { deleted_notices: notices, deleted_events: events };
  await inTransaction(db, (tx) =>
    countBatch(tx, id, { examined: changed, changed, failed: 0, detail }),
  );
}

async function preview(
  { db }: PreviewContext,
  report: (preview: AlarmPreview) => void,
): Promise<void> {
  const { troubles, over } = await inTransaction(db, async (tx) =>
    look(tx, await readClock(tx), true),
  );
  for (const alarm of troubles) {
    const values = Object.entries(alarm.params).map(([key, value]) => `${key} ${value}`);
    const sentence = `${alarm.kind}: ${values.join(', ')}`;
    report({ subject: subjectOf(alarm), outcome: 'alarm', sentence });
  }
  for (const { kind, subject } of over) {
    report({ subject, outcome: 'over', sentence: `${kind} is over` });
  }
}

export const raiseAlarms = { name, everyMs: minuteMs, run, preview };
