import { unreachable } from '../../kernel/faults.ts';
import type { Alarm, AlarmKind, OpenAlarm } from '../../notify/alarms.ts';

// When the admins are woken, and when they hear that it is over.
//
// A worker has failed 3 times in a row: the first may be a database that was restarted. A node has
// not confirmed a removal 5 minutes after the end: somebody may still connect who must not. What a
// guard holds, what is put into quarantine and a clock that is off are told by whoever finds them;
// here they are called off.
//
// Over is what no longer holds. A worker that ran well once is well; a guard that held nothing in
// the worker's last run holds nothing; a quarantine that is empty is nobody's.

/** What is so now. */
export interface Situation {
  /** Workers whose last runs all failed, and nodes that wait too long: to be told. */
  readonly troubles: readonly Alarm[];
  /** Workers that have something in quarantine. */
  readonly inQuarantine: ReadonlySet<string>;
  /** Workers whose last run left something to their guard, and nodes that are in the books. */
  readonly held: ReadonlySet<string>;
  /** Machines of which a run was skipped lately, since their clock was off. */
  readonly skewed: ReadonlySet<string>;
}

/** The open alarms that are over. */
export function overOf(
  open: readonly OpenAlarm[],
  situation: Situation,
  subjectOf: (alarm: Alarm) => string,
): OpenAlarm[] {
  const troubled = new Set(situation.troubles.map((one) => `${one.kind} ${subjectOf(one)}`));
  const holds = ({ kind, subject }: { kind: AlarmKind; subject: string }): boolean => {
    switch (kind) {
      case 'alarm_worker':
      case 'alarm_removal':
        return troubled.has(`${kind} ${subject}`);
      case 'alarm_guard':
        return situation.held.has(subject);
      case 'alarm_quarantine':
        return situation.inQuarantine.has(subject);
      case 'alarm_clock':
        return situation.skewed.has(subject);
      default:
        return unreachable(kind);
    }
  };
  return open.filter((alarm) => !holds(alarm));
}
