import { unreachable } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Alarm, AlarmKind, OpenAlarm } from '../../notify/alarms.ts';

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
export interface Situation {
  /** Kinds of which another session's lock hides something: their open alarms stay. */
  readonly unread: ReadonlySet<AlarmKind>;
  /** Workers whose last runs all failed, nodes that wait too long, channels that are away. */
  readonly troubles: readonly Alarm[];
  /** Workers that have something in quarantine. */
  readonly inQuarantine: ReadonlySet<string>;
  /** By worker, when its last run ended, if that was well. */
  readonly well: ReadonlyMap<string, Instant>;
  /** By worker, when the last run ended that says what its guard holds, if that is nothing. */
  readonly unheld: ReadonlyMap<string, Instant>;
  /** Bots and mailboxes that took nothing lately, or wait. */
  readonly unwell: ReadonlySet<string>;
  /** Whoever compares a node calls its guard off; here only nodes that are gone are. */
  readonly nodes: ReadonlySet<string>;
  /** Kinds of notifications that a gateway refused within a day. */
  readonly refusedKinds: ReadonlySet<string>;
  /**
   * Machines of which a run was skipped lately, since their clock was off; `database` and `commits`
   * while the time of the database is suspicious.
   */
  readonly skewed: ReadonlySet<string>;
}

/** The open alarms that are over. */
export function overOf(
  open: readonly OpenAlarm[],
  situation: Situation,
  subjectOf: (alarm: Alarm) => string,
): OpenAlarm[] {
  const { troubles, well, unheld, nodes } = situation;
  const troubled = new Set(troubles.map((one) => `${one.kind} ${subjectOf(one)}`));
  const holds = ({ kind, subject, worker, told }: OpenAlarm): boolean => {
    if (situation.unread.has(kind)) return true;
    const toldAt = Math.max(...told.map(({ at }) => at));
    const since = (at: Instant | undefined) => at !== undefined && at >= toldAt;
    switch (kind) {
      case 'alarm_worker':
        return !since(well.get(subject));
      case 'alarm_removal':
      case 'alarm_overdue':
      case 'alarm_lock':
      case 'alarm_node':
        return troubled.has(`${kind} ${subject}`);
      case 'alarm_guard':
        return worker === subject ? !since(unheld.get(subject)) : nodes.has(subject);
      case 'alarm_money_guard':
        return !since(unheld.get(subject));
      case 'alarm_quarantine':
        return situation.inQuarantine.has(subject);
      case 'alarm_clock':
        return situation.skewed.has(subject);
      case 'alarm_channel':
        return situation.unwell.has(subject);
      case 'alarm_notice':
        return situation.refusedKinds.has(subject);
      default:
        return unreachable(kind);
    }
  };
  return open.filter((alarm) => !holds(alarm));
}
