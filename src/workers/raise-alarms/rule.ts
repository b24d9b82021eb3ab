import { unreachable } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Alarm, AlarmKind, OpenAlarm } from '../../outbox/alarms.ts';

// When the admins are woken, and when they hear that it is over.
//
// A worker has failed 3 times in a row: the first may be a database that was restarted. A node has
// not confirmed a removal 5 minutes after the end: somebody may still connect who must not. Nothing
// has gone out by a channel for 5 minutes: the other ones tell. What a guard holds, what is put into
// quarantine and a clock that is off are told by whoever finds them; here they are called off.
//
// Over is what something says that came after it was told, and not what nobody speaks of any more:
// a run that was well; one that went through all that is due, and left nothing to the guard nor to
// another run; a quarantine that is empty. A service that stood still says nothing.

/** What is so now. */
export interface AlarmFacts {
  /** Kinds of which another session's lock hides something: their open alarms stay. */
  readonly unreadKinds: ReadonlySet<AlarmKind>;
  /** Workers whose last runs all failed, nodes that wait too long, channels that are away. */
  readonly problems: readonly Alarm[];
  /** Workers that have something in quarantine. */
  readonly quarantinedWorkers: ReadonlySet<string>;
  /** By worker, when its last run ended, if that was well. */
  readonly lastSuccessAt: ReadonlyMap<string, Instant>;
  /** By worker, when the last run ended that says what its guard holds, if that is nothing. */
  readonly lastUnheldAt: ReadonlyMap<string, Instant>;
  /** Bots and mailboxes that took nothing lately, or wait. */
  readonly failingChannels: ReadonlySet<string>;
  /** Whoever compares a node calls its guard off; here only nodes that are gone are. */
  readonly nodes: ReadonlySet<string>;
  /** Kinds of notifications that a gateway refused within a day. */
  readonly refusedKinds: ReadonlySet<string>;
  /**
   * Machines of which a run was skipped lately, since their clock was off; `database` and `commits`
   * while the time of the database is suspicious.
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
