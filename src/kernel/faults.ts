/**
 * The three kinds of fault, which decide what becomes of the work at hand:
 *
 * - `transient`: the world is unwell (connection, lock, disk). The run fails, the next one starts
 *   from what is true then; nobody is put aside.
 * - `permanent`: this item can't be done as it stands. It is put into quarantine, others go on.
 * - `bug`: we are wrong. Put aside like a permanent one, and alarmed.
 */
export type FaultKind = 'transient' | 'permanent' | 'bug';

/** An error that a person can read: a stable code, one sentence, and what caused it. */
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

/** The command line, the configuration or the place is wrong (exit code 2); nothing was changed. */
export class UsageFault extends Fault {
  constructor(code: string, sentence: string, cause?: unknown) {
    super('permanent', code, sentence, cause);
    this.name = 'UsageFault';
  }
}

/** States what must hold. A failure is a bug of ours. */
export function mustHold(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Fault('bug', 'assertion', sentence);
}

/** For the default of a `switch` over a union: a case that is missing doesn't compile. */
export function unreachable(value: never): never {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'bigint' ? inner.toString() : inner,
  );
  throw new Fault('bug', 'unreachable', `no such case: ${text}`);
}
