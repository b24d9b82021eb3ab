import { terminalText } from '../kernel/foreign-text.ts';

// A log line for a person at a terminal, made from the JSON line for programs.

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [field: string]: unknown;
}

/** Fields of every line. The other fields follow the message as `name=value`. */
const standardFields = new Set(['level', 'time', 'msg', 'err', 'pid']);

function formatValue(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) {
    return value.join(',') || '-';
  }
  return JSON.stringify(value);
}

/**
 * `12:30:05 INFO  ready database=…`. A stack follows only if the line is about a bug of the
 * program.
 */
export function formatLogLine(json: string): string {
  let line: LogLine;
  try {
    line = JSON.parse(json);
  } catch {
    return json; // not a line of the log
  }
  const { level, time, msg = '', err } = line;
  const otherFields = Object.entries(line)
    .filter(([name, value]) => !standardFields.has(name) && JSON.stringify(value) !== '{}')
    .map(([name, value]) => `${name}=${formatValue(value)}`);
  const cause = err?.message === undefined || msg.includes(err.message) ? [] : [`(${err.message})`];
  const head = `${time.slice(11, 19)} ${level.toUpperCase().padEnd(5)}`;
  const text = [head, msg, ...cause, ...otherFields].filter((part) => part !== '').join(' ');
  const stack = level === 'fatal' && err?.stack !== undefined ? `${err.stack}\n` : '';
  return terminalText(`${text}\n${stack}`);
}
