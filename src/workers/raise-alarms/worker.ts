import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
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
import { countBatch, finishRun, type RunRow, reserveRunId, startRun } from '../run-record.ts';
import type { RunContext } from '../runner.ts';
import type { AlarmPreview } from '../worker.ts';
import { overOf } from './rule.ts';
import { readSituation } from './store.ts';

// Looks once a minute at what the books say of ourselves, and owes the admins what is new in it, and
// what is over. One transaction that reads and writes a few rows.

const name = 'raise-alarms';

interface Seen {
  readonly troubles: readonly Alarm[];
  readonly open: readonly OpenAlarm[];
  readonly over: readonly OpenAlarm[];
}

async function look(tx: Tx, now: Instant): Promise<Seen> {
  const open = await readOpenAlarms(tx, now);
  const situation = await readSituation(tx, now);
  return { troubles: situation.troubles, open, over: overOf(open, situation, subjectOf) };
}

async function run({ db, replica, log }: RunContext): Promise<RunRow> {
  const id = await reserveRunId(db);
  try {
    await startRun(db, id, name, replica, await readClock(db));
    try {
      const unfit = await unfitness(db, name, log, 'nothing');
      if (unfit !== undefined) {
        return await finishRun(db, id, await readClock(db), 'skipped', { ...unfit });
      }
      await inTransaction(db, async (tx) => {
        await takeAlarms(tx);
        const now = await readClock(tx);
        const { troubles, open, over } = await look(tx, now);
        const raised = Number(await raise(tx, troubles, open, now));
        const ended = Number(await callOff(tx, over, now));
        const detail = { raised, over: ended };
        const changed = raised + ended;
        await countBatch(tx, id, { examined: changed, changed, failed: 0, detail });
      });
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

async function preview(
  { db }: PreviewContext,
  report: (preview: AlarmPreview) => void,
): Promise<void> {
  const { troubles, over } = await inTransaction(db, async (tx) => look(tx, await readClock(tx)));
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
