import { UsageFault } from '../kernel/faults.ts';
import { describeDatabase } from './database-url.ts';

// The settings of every session on the database.
//
// 1. The required settings fix how values are read and written. A connection string that sets one
//    of them to another value is refused.
// 2. The planner settings suit short statements. A connection string may override them.
// 3. All other settings in `?options=` of a connection string are kept.

interface RequiredSetting {
  readonly value: string;
  /** The spellings that mean the same. */
  readonly accepted: RegExp;
}

/** A time is parsed as `2026-11-24 01:54:00.123+00`, and a string literal has no escapes. */
export const requiredSettings: Readonly<Record<string, RequiredSetting>> = {
  TimeZone: { value: 'UTC', accepted: /^(etc\/)?(utc|uct|zulu|universal)$/i },
  DateStyle: { value: 'ISO', accepted: /^iso\b/i },
  standard_conforming_strings: { value: 'on', accepted: /^(on|true|yes|1)$/i },
};

const sessionSettings: Readonly<Record<string, string>> = {
  bytea_output: 'hex',
  // The trigger on periods requires a new snapshot for each statement.
  default_transaction_isolation: 'read committed',
};

/** Statements take milliseconds, and their pages are in memory: compilation takes longer. */
const plannerSettings: Readonly<Record<string, string>> = { jit: 'off', random_page_cost: '1.1' };

const requiredValues = Object.fromEntries(
  Object.entries(requiredSettings).map(([name, { value }]) => [name, value]),
);

/** All settings of a session, for a pooler that drops those of the startup packet. */
export const allSettings: Readonly<Record<string, string>> = {
  ...plannerSettings,
  ...requiredValues,
  ...sessionSettings,
};

const formatOptions = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/([\\\s])/g, '\\$1')}`)
    .join(' ');

/** Parameters of a connection string that `pg` would prefer to the values of this program. */
const ownParameters = [
  'options',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'query_timeout',
  'keepAlive',
  'types',
];

/** A connection string without the parameters that this program owns, and the session's options. */
export interface SessionUrl {
  readonly connectionString: string;
  readonly options: string;
}

/** @throws UsageFault `session_setting` if the URL sets a required setting to another value */
export function toSessionUrl(url: string): SessionUrl {
  const parsed = URL.parse(url);
  const urlOptions = parsed?.searchParams.getAll('options').join(' ') ?? '';
  refuseConflicts(url, urlOptions);
  const parts = [
    formatOptions(plannerSettings),
    urlOptions,
    formatOptions({ ...requiredValues, ...sessionSettings }),
  ];
  const options = parts.filter((part) => part !== '').join(' ');
  const owned = ownParameters.filter((name) => parsed?.searchParams.has(name));
  if (parsed === null || owned.length === 0) return { connectionString: url, options };
  for (const name of owned) parsed.searchParams.delete(name);
  return { connectionString: parsed.href, options };
}

function refuseConflicts(url: string, options: string): void {
  for (const [name, value] of parseSettings(options)) {
    const required = Object.keys(requiredSettings).find((each) => isSameName(each, name));
    if (required === undefined) continue;
    const { value: expected, accepted } = requiredSettings[required] as RequiredSetting;
    if (accepted.test(value)) continue;
    throw new UsageFault(
      'session_setting',
      `database ${describeDatabase(url)}: "options" of the URL sets ${required} to "${value}"; expected ${expected} (remove it from the URL)`,
    );
  }
}

const isSameName = (one: string, other: string): boolean =>
  one.toLowerCase() === other.toLowerCase();

/** Settings in a command line of the server: `-c name=value`, `-cname=value`, `--name=value`. */
function parseSettings(options: string): [string, string][] {
  const words = options.match(/(?:\\[\s\S]|[^\\\s])+/g) ?? [];
  const unescaped = words.map((word) => word.replaceAll(/\\([\s\S])/g, '$1'));
  return unescaped.flatMap((word, at): [string, string][] => {
    const text = word === '-c' ? undefined : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
    const setting = unescaped[at - 1] === '-c' ? word : text;
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(setting ?? '') ?? [];
    if (name === undefined || value === undefined) return [];
    return [[name.replaceAll('-', '_'), value]];
  });
}
