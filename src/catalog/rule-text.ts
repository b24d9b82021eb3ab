import { formatDuration } from '../kernel/instant.ts';
import { isJsonEqual } from '../kernel/json-equal.ts';

// A change of settings as a line of the difference, with values as the file writes them.
//
// The database stores a duration in milliseconds under a key with its unit: `window_ms`. The line
// shows the key and the value of the file: `renewal.window: 6h`.

export const ruleKeys = [
  'discounts',
  'renewal',
  'retention',
  'trial',
  'notices',
  'feed',
  'money',
] as const;

export type RuleKey = (typeof ruleKeys)[number];

export interface RuleChange {
  readonly key: RuleKey;
  readonly value: object;
  /** Null: the database has no settings under this key. */
  readonly before: object | null;
}

/** `~ renewal.window: 1d -> 6h`; several values are separated by commas. */
export function formatRuleChange({ key, value, before }: RuleChange): string {
  const after = toFileValues(value);
  if (before === null) return `+ ${key}: ${formatFlow(after)}`;
  const old = toFileValues(before);
  const changed = [...new Set([...Object.keys(old), ...Object.keys(after)])].filter(
    (name) => !isJsonEqual(old[name] ?? null, after[name] ?? null),
  );
  const lines = changed.map(
    (name) => `${key}.${name}: ${formatValue(old[name])} -> ${formatValue(after[name])}`,
  );
  return `~ ${lines.join(', ')}`;
}

/** Stored settings with the keys and the durations of the file. */
function toFileValues(stored: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(stored).map(([key, value]) => {
      if (key === 'renewal_ahead') return [key, toAheadValue(value)];
      if (key === 'update_hours') return ['update', `${value}h`];
      if (key === 'claims') return [key, value === true ? 'on' : 'off'];
      if (!key.endsWith('_ms')) return [key, value];
      return [key.replace(/_ms$/, ''), value === 0 ? 'off' : formatDuration(Number(value))];
    }),
  );
}

interface StoredAhead {
  readonly from_days: number;
  readonly ahead_ms: number | null;
}

/** One duration for every length, or durations by the least length in days. */
function toAheadValue(entries: readonly StoredAhead[]): unknown {
  const toText = (ms: number | null) => (ms === null ? 'off' : formatDuration(ms));
  const [first] = entries;
  if (entries.length === 1 && first?.from_days === 1) return toText(first.ahead_ms);
  return Object.fromEntries(
    entries.map(({ from_days, ahead_ms }) => [from_days, toText(ahead_ms)]),
  );
}

function formatValue(value: unknown): string {
  if (value === undefined) return 'not set';
  return typeof value === 'object' && value !== null ? formatFlow(value) : String(value);
}

/** A mapping in the flow style of YAML. */
const formatFlow = (value: object): string =>
  `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${formatValue(inner)}`)
    .join(', ')} }`;
