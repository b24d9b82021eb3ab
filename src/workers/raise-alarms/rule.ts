import { unreachable } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Alarm, AlarmKind, OpenAlarm } from '../../outbox/alarms.ts';

// When an alarm to the admins is raised, and when it is over.
//
// 1. A worker has failed 3 times in a row. A single failure may be a restart of the database.
// 2. A node has not confirmed a removal 5 minutes after the end: a user without a right may still
//    connect.
// 3. A channel had no success for 5 minutes. The other channels send the alarm.
// 4. The guards, quarantine and the clock check raise their own alarms, and this worker clears
//    them.
// 5. An alarm is over only by evidence that is newer than the alarm. The evidence is a successful
//    run, an empty quarantine, or a complete run that left nothing to a guard or another run.
//    Silence is no evidence: a service that was stopped clears nothing.

/** The present facts. */
export interface AlarmFacts {
  /** Kinds that a lock of another session hides. Their open alarms stay. */
  readonly unreadKinds: ReadonlySet<AlarmKind>;
  /** Workers whose last runs all failed, nodes that wait too long, and channels that fail. */
  readonly problems: readonly Alarm[];
  /** Workers with items in quarantine. */
  readonly quarantinedWorkers: ReadonlySet<string>;
  /** By worker: the end of its last run, if that succeeded. */
  readonly lastSuccessAt: ReadonlyMap<string, Instant>;
  /** By worker: the end of the last run that reports the state of its guard, if nothing is held. */
  readonly lastUnheldAt: ReadonlyMap<string, Instant>;
  /** Bots and mailboxes without a recent success, or in a pause. */
  readonly failingChannels: ReadonlySet<string>;
  /**
   * A comparison of a node clears the alarm of its guard. This worker clears only those of removed
   * nodes.
   */
  readonly nodes: ReadonlySet<string>;
  /** Kinds of notifications that a gateway refused within a day. */
  readonly refusedKinds: ReadonlySet<string>;
  /**
   * Machines with a recent run that was skipped because of their clock. `database` and `commits`
   * while the time of the database is suspect.
   */
  readonly skewedMachines: ReadonlySet<string>;
}

/** The open alarms that are over. */
export function filterResolved(
  open: readonly OpenAlarm[],
  facts: AlarmFacts,
  subjectOf: (alarm: Alarm) => string,
): OpenAlarm[] {
  const { problems, lastSuccessAt, lastUnheldAt, nodes } = facts;
  const problemKeys = new Set(problems.map((one) => `${one.kind} ${subjectOf(one)}`));
  const isStillOpen = ({ kind, subject, worker, lastRaised }: OpenAlarm): boolean => {
    if (facts.unreadKinds.has(kind)) return true;
    const raisedAt = Math.max(...lastRaised.map(({ at }) => at));
    const endedSince = (at: Instant | undefined) => at !== undefined && at >= raisedAt;
    switch (kind) {
      case 'alarm_worker':
        return !endedSince(lastSuccessAt.get(subject));
      case 'alarm_removal':
      case 'alarm_overdue':
      case 'alarm_lock':
      case 'alarm_node':
        return problemKeys.has(`${kind} ${subject}`);
      case 'alarm_guard':
        return worker === subject ? !endedSince(lastUnheldAt.get(subject)) : nodes.has(subject);
      case 'alarm_money_guard':
        return !endedSince(lastUnheldAt.get(subject));
      case 'alarm_quarantine':
        return facts.quarantinedWorkers.has(subject);
      case 'alarm_clock':
        return facts.skewedMachines.has(subject);
      case 'alarm_channel':
        return facts.failingChannels.has(subject);
      case 'alarm_notice':
        return facts.refusedKinds.has(subject);
      default:
        return unreachable(kind);
    }
  };
  return open.filter((alarm) => !isStillOpen(alarm));
}
