import { Fault } from '../kernel/faults.ts';

// The kind of a failure, by SQLSTATE (appendix A of PostgreSQL) or by the text of the driver.
// Temporary causes are transient, the data of an item is permanent, and the rest is a bug.

/** Classes: connection, transaction rollback, resources, operator intervention, system error. */
const transientClasses = new Set(['08', '40', '53', '57', '58']);
const transientCodes = new Set([
  '55P03', // lock_not_available
  '55006', // object_in_use
  '25P03', // idle_in_transaction_session_timeout
  '25006', // read_only_sql_transaction: a standby that was promoted, or is about to be
]);
/** Classes: data exception, integrity constraint violation, raised by a trigger. */
const permanentClasses = new Set(['22', '23', 'P0']);

const transientErrnos = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT', // a unix socket that is not there (yet)
]);

/** The driver has no codes for these failures. The texts are those of pg 8 and pg-pool 3. */
const transientTexts =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Client was closed and is not queryable|Client is not queryable|Connection ended unexpectedly|The server does not support|driver has already been destroyed)/;

/** Refusals of the operating system, for people. Other codes are printed unchanged. */
export const errnoTexts: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is larger than the limit of this process or disk',
  EROFS: 'the disk is mounted read-only',
  EACCES: 'this user has no right to it',
  EPERM: 'this user has no right to it',
  EIO: 'the disk reports an error',
  EMFILE: 'this process has too many open files',
};

interface PgError extends Error {
  readonly code?: string;
  readonly constraint?: string;
}

/** Any thrown value as a Fault with that value as its cause. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (!(error instanceof Error)) return new Fault('bug', 'thrown', String(error), error);
  const { code, constraint } = error as PgError;
  // Before SQLSTATE, because EPIPE also has five letters.
  if (code !== undefined && transientErrnos.has(code)) {
    return new Fault('transient', code.toLowerCase(), toSentence(error), error);
  }
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    const group = code.slice(0, 2);
    if (transientClasses.has(group) || transientCodes.has(code)) {
      return new Fault('transient', `pg_${code}`, error.message, error);
    }
    if (permanentClasses.has(group)) {
      return new Fault('permanent', constraint ?? `pg_${code}`, error.message, error);
    }
    return new Fault('bug', `pg_${code}`, error.message, error);
  }
  const { syscall, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && syscall !== undefined && /^E[A-Z0-9]+$/.test(code)) {
    const sentence = `${path ?? syscall}: ${errnoTexts[code] ?? code}`;
    return new Fault('transient', code.toLowerCase(), sentence, error);
  }
  if (transientTexts.test(error.message)) {
    return new Fault('transient', 'connection_lost', error.message, error);
  }
  return new Fault('bug', 'unexpected', error.message, error);
}

/** A table, a column or a right is wrong, or the server has a bug. It affects all items. */
export const isSchemaFault = ({ code }: Fault): boolean => /^pg_(42|3F|0A|XX)/.test(code);

/**
 * A wait for a row that another session has locked was too long. A wait for a table is none: its
 * error has no position of a row. The text around the position depends on the language.
 */
export function isRowLocked({ code, cause }: Fault): boolean {
  const context = (cause as { readonly where?: unknown } | undefined)?.where;
  return code === 'pg_55P03' && typeof context === 'string' && /\(\d+,\d+\)/.test(context);
}

/** A failed attempt at several addresses of a host has no text in its outer error. */
function toSentence(error: Error): string {
  if (error.message !== '' || !(error instanceof AggregateError)) return error.message;
  const [first] = error.errors as readonly unknown[];
  return first instanceof Error ? first.message : String(first);
}
