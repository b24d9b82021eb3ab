/**
 * The kind of a fault decides about the work under way:
 *
 * - `transient`: a connection, lock or disk failed. The run fails, and no item goes to quarantine.
 *   The next run starts from the current state.
 * - `permanent`: this item cannot be processed as it is. It goes to quarantine, and other items
 *   continue.
 * - `bug`: the program is wrong. The item goes to quarantine, and an alarm is raised.
 */
export type FaultKind = 'transient' | 'permanent' | 'bug';

/** An error that a person can read: a stable code, one sentence and the cause. */
export class Fault extends Error {
  readonly kind: FaultKind;
  readonly code: string;
  /** The message without its hint, for readers who have no command line. */
  readonly statement: string;

  constructor(kind: FaultKind, code: string, sentence: string, cause?: unknown, hint?: string) {
    super(
      hint === undefined ? sentence : `${sentence}; ${hint}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'Fault';
    this.kind = kind;
    this.code = code;
    this.statement = sentence;
  }
}

/**
 * The request is not possible in the present state (exit code 1). Nothing was changed.
 * @param hint the next step for a user of the command line; the API does not show it
 */
export function refused(code: string, sentence: string, hint?: string): Fault {
  return new Fault('permanent', code, sentence, undefined, hint);
}

/** The command line, configuration or database URL is wrong (exit code 2). Nothing was changed. */
export class UsageFault extends Fault {
  constructor(code: string, sentence: string, cause?: unknown) {
    super('permanent', code, sentence, cause);
    this.name = 'UsageFault';
  }
}

/** Asserts an invariant. A failure is a bug of the program. */
export function mustHold(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Fault('bug', 'assertion', sentence);
}

/** For the default of a `switch` over a union: a missing case does not compile. */
export function unreachable(value: never): never {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'bigint' ? inner.toString() : inner,
  );
  throw new Fault('bug', 'unreachable', `no such case: ${text}`);
}
