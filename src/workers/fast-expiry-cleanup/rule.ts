// The blast guard (DESIGN.md 5; matrix F8). A clock that jumped or a book that was wrong must not
// cut off everybody while the operator sleeps: in an hour no more than 100, or a tenth of those who
// are active, are ended; the rest is held and alarmed until a person confirms it.

/** What a small operator may lose in an hour without being asked. */
const alwaysMax = 100;

/** How many more may be ended now. */
export function allowance(active: number, endedInTheLastHour: number): number {
  const tenth = Math.floor((active + endedInTheLastHour) / 10);
  return Math.max(0, Math.max(alwaysMax, tenth) - endedInTheLastHour);
}

/** Below this no count of the active is needed: the guard can't hold anything. */
export function cannotHold(wanted: number, endedInTheLastHour: number): boolean {
  return wanted + endedInTheLastHour <= alwaysMax;
}
