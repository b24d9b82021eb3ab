import pino, { type DestinationStream, type Logger } from 'pino';
import { UsageFault } from './kernel/faults.ts';
import { maskSecrets } from './kernel/secrets.ts';

export type Log = Logger;

/** Keys whose value is nobody's business, at the top of a line and one level down. */
const secretKeys = ['url', 'password', 'token', 'authorization', 'sub_token', 'connectionString'];

/**
 * The log of a service: a line of JSON for each thing that happened, on standard output. Written
 * at once, so that the line which tells why a process ended is not lost with it.
 */
export function openLog(level: string, destination?: DestinationStream): Log {
  if (level !== 'silent' && !(level in pino.levels.values)) {
    const known = [...Object.keys(pino.levels.values), 'silent'].join(', ');
    throw new UsageFault('bad_log_level', `PERENNIAL_LOG_LEVEL: "${level}" is none of ${known}`);
  }
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`]), censor: '***' },
      hooks: { streamWrite: maskSecrets },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
