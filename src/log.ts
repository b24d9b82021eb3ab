import pino, { type DestinationStream, type Logger } from 'pino';
import { UsageFault } from './kernel/faults.ts';

export type Log = Logger;

/** Keys whose value is nobody's business, at the top of a line and one level down. */
const secretKeys = ['url', 'password', 'token', 'authorization', 'sub_token', 'connectionString'];

/**
 * A password inside of a URL, and a bot's token inside of one of Telegram's. A line may contain text
 * of another machine, so the time for a line is linear: a search begins at a fixed text, and what
 * follows in a pattern never runs over the next place where a search begins.
 */
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/(:\/\/[^:/?#@\s"\\]*:)[^/\s"\\]+@/g, '$1***@'],
  [/\bbot\d{5,}:[\w-]{20,}/g, 'bot***'],
];

function withoutSecrets(line: string): string {
  return secretTexts.reduce((text, [secret, mask]) => text.replace(secret, mask), line);
}

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
      hooks: { streamWrite: withoutSecrets },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
