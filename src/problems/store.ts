import { readOutages } from '../access/node-outages.ts';
import { readLinkErrors } from '../catalog/nodes.ts';
import { readClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { readClockReading } from '../db/trusted-time.ts';
import { type Instant, tryParseInstant } from '../kernel/instant.ts';
import { type Alarm, type OpenAlarm, toAlarmSubject } from '../outbox/alarms.ts';
import { readHeldItems } from '../runs/held.ts';
import { countQuarantine, listQuarantine } from '../runs/quarantine-list.ts';
import { readTermsHash } from '../subscription/store/terms-hash.ts';
import { runUnlessLocked } from '../workers/raise-alarms/store.ts';
import { undeliveredWorker } from '../workers/raise-alarms/undelivered.ts';
import { type CurrentAlarms, readCurrentAlarms } from '../workers/raise-alarms/worker.ts';
import type { CurrentProblem, ProblemFact } from './problem.ts';
import { describeProblem } from './sentences.ts';

// The current problems, from the rules of raise-alarms and the present state.
//
// 1. The alarms that a check would raise or keep now are problems. Nothing is written.
// 2. Guards, quarantine, nodes and the clock are read as they are now, so they need no alarm yet.
// 3. A part that another session has locked is left out after 0.2 s. The lock is a problem itself.

/** The worst first: all work waits, money or access waits, one part waits, nothing waits. */
const kindsByRank: readonly ProblemFact['kind'][] = [
  'commits_lost',
  'clock_suspect',
  'table_locked',
  'worker_silent',
  'worker_fails',
  'node_down',
  'held',
  'worker_overdue',
  'notices_overdue',
  'node_adds_nothing',
  'channel_fails',
  'removals_late',
  'node_link_error',
  'quarantine',
  'machine_clock',
  'notices_refused',
];

/** The worst first. Of equal problems, the one with more items comes first. */
function toCurrentProblems(facts: readonly ProblemFact[]): CurrentProblem[] {
  const rankOf = ({ kind }: ProblemFact) => kindsByRank.indexOf(kind);
  return facts
    .map((fact) => ({ rank: rankOf(fact), problem: describeProblem(fact) }))
    .sort((a, b) => a.rank - b.rank || (b.problem.count ?? 0) - (a.problem.count ?? 0))
    .map(({ problem }) => problem);
}

/** Examples of quarantine are read for so many reasons. */
const reasonsMax = 20;

/** @returns the worst first */
export function readProblems(db: Db): Promise<CurrentProblem[]> {
  return inTransaction(db, async (tx) => toCurrentProblems(await readFacts(tx)));
}

async function readFacts(tx: Tx): Promise<ProblemFact[]> {
  const now = await readClock(tx);
  const alarms = await readCurrentAlarms(tx, now);
  const parts = [readClockFacts, readHeldFacts, readNodeFacts, readQuarantineFacts];
  const facts = alarms.open.flatMap(toOpenFacts);
  for (const part of parts) {
    facts.push(...((await runUnlessLocked(tx, (open) => part(open, now, alarms))) ?? []));
  }
  return [...toFoundFacts(alarms), ...facts];
}

const sinceOf = ({ open }: CurrentAlarms, kind: OpenAlarm['kind'], subject: string) =>
  open.find((one) => one.kind === kind && one.subject === subject)?.since ?? null;

/** Problems that a check finds at once. A node that is down is in `readNodeFacts`. */
function toFoundFacts(alarms: CurrentAlarms): ProblemFact[] {
  return alarms.problems.flatMap((alarm): ProblemFact[] => {
    const since = sinceOf(alarms, alarm.kind, toAlarmSubject(alarm));
    return toFoundFact(alarm, since);
  });
}

function toFoundFact(alarm: Alarm, since: Instant | null): ProblemFact[] {
  switch (alarm.kind) {
    case 'alarm_lock': {
      const { subject: table, cause } = alarm.params;
      return [{ kind: 'table_locked', since, table, cause }];
    }
    case 'alarm_worker':
      return [{ kind: 'worker_fails', since, ...alarm.params }];
    case 'alarm_overdue': {
      const { worker, items, oldest_at: oldestAt, cause } = alarm.params;
      const kind = worker === undeliveredWorker ? 'notices_overdue' : 'worker_overdue';
      return [{ kind, since, worker, items, oldestAt, cause }];
    }
    case 'alarm_removal': {
      const { node, waiting, oldest_at: oldestAt } = alarm.params;
      return [{ kind: 'removals_late', since, node, waiting, oldestAt }];
    }
    case 'alarm_channel':
      return [{ kind: 'channel_fails', since, ...alarm.params }];
    case 'alarm_node': {
      const { node, reason, down_since, to_add: toAdd, to_remove: toRemove, error } = alarm.params;
      if (reason !== 'additions') return [];
      const downSince = tryParseInstant(down_since) ?? null;
      return [{ kind: 'node_adds_nothing', since: downSince, node, toAdd, toRemove, error }];
    }
    default:
      return [];
  }
}

/** Problems that only their finder can see. */
function toOpenFacts({ kind, subject, since, lastRaised }: OpenAlarm): ProblemFact[] {
  const params = lastRaised.at(-1)?.params ?? {};
  const text = (name: string) => String(params[name] ?? '');
  switch (kind) {
    case 'alarm_worker':
      // The watchdog of a process raises an alarm without failures.
      return Number(params.failures ?? 0) > 0
        ? []
        : [{ kind: 'worker_silent', since, worker: subject, failures: 0, error: text('error') }];
    case 'alarm_clock':
      return subject === 'database' || subject === 'commits'
        ? []
        : [{ kind: 'machine_clock', since, machine: subject, sentence: text('sentence') }];
    case 'alarm_notice':
      return [{ kind: 'notices_refused', since, notice: subject, error: text('error') }];
    default:
      return [];
  }
}

async function readClockFacts(tx: Tx, _: Instant, alarms: CurrentAlarms): Promise<ProblemFact[]> {
  const { trust } = await readClockReading(tx);
  if (trust.kind === 'trusted') return [];
  const { cause, byMs, reason } = trust;
  if (cause === 'commits_lost') {
    return [{ kind: cause, since: sinceOf(alarms, 'alarm_clock', 'commits'), reason }];
  }
  const since = sinceOf(alarms, 'alarm_clock', 'database');
  return [{ kind: 'clock_suspect', since, cause, bySeconds: Math.round(byMs / 1_000), reason }];
}

async function readHeldFacts(tx: Tx, now: Instant, { open }: CurrentAlarms) {
  const held = await readHeldItems(tx, now, open);
  if (held.length === 0) return [];
  const terms = await readTermsHash(tx, now);
  return held.map(
    ({ kind: what, ...item }): ProblemFact => ({ kind: 'held', what, ...item, terms }),
  );
}

async function readNodeFacts(tx: Tx): Promise<ProblemFact[]> {
  const outages = await readOutages(tx);
  const errors = await readLinkErrors(tx);
  const down = outages.map(
    ({ node, downSince: since, toAdd, toRemove, error }): ProblemFact => ({
      ...{ kind: 'node_down', since, node, toAdd, toRemove, error: error ?? 'no answer yet' },
    }),
  );
  const links = errors.map(
    (row): ProblemFact => ({ kind: 'node_link_error', since: null, ...row }),
  );
  return [...down, ...links];
}

async function readQuarantineFacts(tx: Tx): Promise<ProblemFact[]> {
  const facts: ProblemFact[] = [];
  for (const { worker, reason, items, first_seen_at } of await countQuarantine(tx, {})) {
    const [first] =
      facts.length < reasonsMax ? await listQuarantine(tx, { worker, reason }, { max: 1 }) : [];
    facts.push({
      ...{ kind: 'quarantine', since: first_seen_at, worker, reason, items: Number(items) },
      ...{ item: first?.item ?? '', sentence: first?.sentence ?? reason },
    });
  }
  return facts;
}
