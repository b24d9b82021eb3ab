import pino, { type DestinationStream } from 'pino';
import { UsageFault } from '../kernel/faults.ts';
import { maskSecrets } from '../kernel/secrets.ts';
import { formatLogLine } from './log-text.ts';

/** A log line has fields for programs, and a short statement about the event. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

/** The log of a task that never ends the process. */
export type TaskLog = Omit<Log, 'fatal'>;

/** Keys whose value is secret, at the top of a line and one level down. */
const secretKeys = ['url', 'password', 'token', 'authorization', 'sub_token', 'connectionString'];

export interface LogOptions {
  /** `text`: a line for a person. */
  readonly format?: 'json' | 'text';
  /** Collects lines about one problem. @returns true: the collector takes this line */
  readonly capture?: (fields: object, message: string, logIt: () => void) => boolean;
}

/** The number of `warn` in pino. Lines below it are never collected. */
const warnLevel = 40;

/** Standard output. A log that cannot be written (a full disk, a closed pipe) ends no service. */
function standardOutput(): DestinationStream {
  const out = pino.destination({ fd: 1, sync: true });
  out.on('error', () => undefined);
  return out;
}

/**
 * Opens the log of a service: a JSON line for each event, on standard output. Lines are written at
 * once, so the line with the reason of an exit is not lost.
 */
export function openLog(
  level: string,
  destination?: DestinationStream,
  { format = 'json', capture }: LogOptions = {},
): Log {
  if (level !== 'silent' && !(level in pino.levels.values)) {
    const available = [...Object.keys(pino.levels.values), 'silent'].join(', ');
    throw new UsageFault(
      'bad_log_level',
      `PERENNIAL_LOG_LEVEL: "${level}" is not a level; available: ${available}`,
    );
  }
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`]), censor: '***' },
      hooks: {
        streamWrite: (line) =>
          format === 'json' ? maskSecrets(line) : formatLogLine(maskSecrets(line)),
        logMethod(args, method, number) {
          const [fields, message] = args as unknown as [object, string];
          const logIt = () => method.apply(this, args);
          if (number < warnLevel || capture?.(fields, message, logIt) !== true) logIt();
          else this.debug(fields, message);
        },
      },
    },
    destination ?? standardOutput(),
  );
}
