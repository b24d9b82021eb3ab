import { readClock } from '../../db/clock.ts';
import { confirmDeletionTime } from '../../db/clock-mark.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import type { RunId } from '../../kernel/ids.ts';
import { type Instant, minuteMs } from '../../kernel/instant.ts';
import {
  type Alarm,
  clearAlarms,
  enqueueAlarms,
  lockAlarms,
  type OpenAlarm,
  readOpenAlarms,
  toAlarmSubject,
} from '../../outbox/alarms.ts';
import type { PreviewContext } from '../../runs/preview.ts';
import type { RunContext } from '../../runs/run-context.ts';
import { countBatch, type RunRow, withRunRecord } from '../../runs/run-record.ts';
import type { AlarmPreview } from '../../runs/worker.ts';
import { prune } from './retention.ts';
import { filterResolved } from './rule.ts';
import { readAlarmFacts, runUnlessLocked, writeUnkeptNodes } from './store.ts';

// raise-alarms reads the state of the service once a minute, raises new alarms and clears old ones.
//
// Each check is one transaction that reads and writes a few rows.

const workerName = 'raise-alarms';

interface AlarmState {
  readonly problems: readonly Alarm[];
  readonly open: readonly OpenAlarm[];
  readonly resolved: readonly OpenAlarm[];
}

export type CurrentAlarms = Pick<AlarmState, 'problems' | 'open'>;

/** The alarms that a check would find and keep now. It writes nothing, and waits for no lock. */
export async function readCurrentAlarms(tx: Tx, now: Instant): Promise<CurrentAlarms> {
  const open = (await runUnlessLocked(tx, (part) => readOpenAlarms(part, now))) ?? [];
  const facts = await readAlarmFacts(tx, now, open, true);
  const resolved = new Set(filterResolved(open, facts, toAlarmSubject));
  return { problems: facts.problems, open: open.filter((alarm) => !resolved.has(alarm)) };
}

async function readAlarmState(tx: Tx, now: Instant, isPreview = false): Promise<AlarmState> {
  const open = await readOpenAlarms(tx, now);
  const facts = await readAlarmFacts(tx, now, open, isPreview);
  return { problems: facts.problems, open, resolved: filterResolved(open, facts, toAlarmSubject) };
}

/**
 * One check: raises new alarms, and clears those that are over. The alarm lock serializes replicas
 * and the watchdog.
 * @param extraAlarms found by the caller
 */
export async function updateAlarms(
  tx: Tx,
  extraAlarms: readonly Alarm[] = [],
): Promise<{ readonly raised: number; readonly over: number }> {
  // The alarm lock comes last, so rows of nodes are written before it.
  const before = await readClock(tx);
  await runUnlessLocked(tx, (part) => writeUnkeptNodes(part, before));
  await lockAlarms(tx);
  const now = await readClock(tx);
  const { problems, open, resolved } = await readAlarmState(tx, now);
  const raised = Number(await enqueueAlarms(tx, [...problems, ...extraAlarms], open, now));
  return { raised, over: Number(await clearAlarms(tx, resolved, now)) };
}

/** The part of a run's budget for deletions by age. */
const pruneShare = 0.5;

function run(context: RunContext): Promise<RunRow> {
  const options = { worker: workerName, clockBasis: 'nothing' } as const;
  return withRunRecord(context, options, async ({ id }) => {
    await inTransaction(context.db, async (tx) => {
      const detail = await updateAlarms(tx);
      const changed = detail.raised + detail.over;
      await countBatch(tx, id, { examined: changed, changed, failed: 0, detail });
    });
    await pruneHistory(context, id);
    return { outcome: 'success' };
  });
}

/** Deletes history that is older than `retention:`. The next run continues. */
async function pruneHistory(context: RunContext, id: RunId): Promise<void> {
  const { db, signal, budgetMs, elapsedMs } = context;
  const mayContinue = () => elapsedMs() < budgetMs * pruneShare;
  const at = await confirmDeletionTime(db);
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
  const { problems, resolved } = await inTransaction(db, async (tx) =>
    readAlarmState(tx, await readClock(tx), true),
  );
  for (const alarm of problems) {
    const values = Object.entries(alarm.params).map(([key, value]) => `${key} ${value}`);
    const sentence = `would raise ${alarm.kind}: ${values.join(', ')}`;
    report({ subject: toAlarmSubject(alarm), outcome: 'alarm', sentence });
  }
  for (const { kind, subject } of resolved) {
    report({ subject, outcome: 'over', sentence: `would clear ${kind}` });
  }
}

export const raiseAlarmsWorker = { name: workerName, everyMs: minuteMs, run, preview };
