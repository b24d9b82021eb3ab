import { type Document, isMap, isScalar, isSeq, type LineCounter } from 'yaml';
import type { z } from 'zod';
import { UsageFault } from '../kernel/faults.ts';
import { isCurrency, tryParseMinor } from '../kernel/money.ts';
import { maskSecrets } from '../kernel/secrets.ts';

// All faults of a configuration file at once, each with its line, in the order of the lines.

export type ConfigPath = readonly PropertyKey[];

/** A fault and its place in the file. */
export interface ConfigFault {
  readonly path: ConfigPath;
  /** The path and the value, as far as they may be shown, and the reason. */
  readonly sentence: string;
}

/** A URL or a PEM key in place of a name: its end, and so its secret, is unknown. */
export const isSecretLike = (text: string): boolean =>
  text.includes('-----BEGIN') || (text.includes('://') && text.includes('@'));

/** The name of a key, which can be a misplaced secret. */
const formatKey = (key: PropertyKey): string => (isSecretLike(String(key)) ? '***' : String(key));

/** `nodes.2.id`: names of keys, and entries of lists counted from 1. */
export function formatPath(path: ConfigPath): string {
  const steps = path.map((step) => (typeof step === 'number' ? String(step + 1) : formatKey(step)));
  return steps.join('.') || 'the file';
}

/** The line of a place, or of its parent if the file does not have it. */
export function findLine(document: Document, lines: LineCounter, path: ConfigPath): number {
  let node: unknown = document.contents;
  let start = document.contents?.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const found = node.items.find(
        ({ key }) => isScalar(key) && String(key.value) === String(step),
      );
      if (found === undefined) break;
      start = (isScalar(found.key) ? found.key.range?.[0] : undefined) ?? start;
      node = found.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as { range?: readonly number[] } | undefined;
      start = item?.range?.[0] ?? start;
      node = item;
    } else break;
  }
  return lines.linePos(start).line;
}

/** One issue of the schema, as one fault for each unknown key or one for the value. */
export function toConfigFaults(
  issue: z.core.$ZodIssue,
  shown: (path: ConfigPath) => string,
): ConfigFault[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    const [first] = issue.keys;
    return issue.keys.map((key) => ({
      path: [...path, key],
      sentence: `${formatPath(path)}: ${message.replace(`"${first}"`, () => `"${formatKey(key)}"`)}`,
    }));
  }
  const value = issue.code === 'invalid_key' ? '' : shown(path);
  return [{ path, sentence: `${formatPath(path)}: ${value}${message}` }];
}

const toEntries = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : [];

/** Prices that are no amounts of their currency. The schema reports its own faults. */
export function checkPrices(plans: unknown): ConfigFault[] {
  const faults: ConfigFault[] = [];
  for (const [plan, settings] of toEntries(plans)) {
    for (const [code, byPeriod] of toEntries((settings as { prices?: unknown } | null)?.prices)) {
      if (!isCurrency(code)) continue;
      for (const [days, amount] of toEntries(byPeriod)) {
        if (typeof amount !== 'number' && typeof amount !== 'string') continue;
        const path = ['plans', plan, 'prices', code, days];
        const parsed = tryParseMinor(String(amount), code);
        if ('minor' in parsed && parsed.minor > 0n) continue;
        const reason =
          'wrong' in parsed
            ? `"${amount}" is ${parsed.wrong}`
            : `"${amount}" is not a price; expected an amount above 0`;
        faults.push({ path, sentence: `${formatPath(path)}: ${reason}` });
      }
    }
  }
  return faults;
}

const toList = (nodes: unknown): unknown[] => (Array.isArray(nodes) ? nodes : []);

/** Nodes that share an id or an address: the later one of each pair. */
export function checkNodes(nodes: unknown): ConfigFault[] {
  return (['id', 'api'] as const).flatMap((name) => {
    const first = new Map<string, number>();
    return toList(nodes).flatMap((node, at): ConfigFault[] => {
      const value = (node as Record<string, unknown> | null)?.[name];
      if (typeof value !== 'string') return [];
      const other = first.get(value);
      if (other === undefined) {
        first.set(value, at);
        return [];
      }
      const path = ['nodes', at, name];
      const firstEntry = formatPath(['nodes', other]);
      return [{ path, sentence: `${formatPath(path)}: "${value}" is that of ${firstEntry} too` }];
    });
  });
}

/**
 * A trial of a plan that the file does not have. Without `plans:`, the database is checked later.
 */
export function checkTrial(trial: unknown, plans: unknown): ConfigFault[] {
  const plan = (trial as { plan?: unknown } | null | undefined)?.plan;
  if (typeof plan !== 'string' || typeof plans !== 'object' || plans === null) return [];
  return Object.hasOwn(plans, plan) ? [] : [noPlanFault(plan, Object.keys(plans))];
}

export const noPlanFault = (plan: string, existing: readonly string[]): ConfigFault => ({
  path: ['trial', 'plan'],
  sentence: `trial.plan: "${plan}" is not a plan; available: ${existing.join(', ') || 'none'}`,
});

/** @throws UsageFault `bad_config` with a line of text for each fault, if there is any */
export function refuseFaults(
  file: string,
  faults: readonly ConfigFault[],
  { document, lines }: { readonly document: Document; readonly lines: LineCounter },
): void {
  if (faults.length === 0) return;
  const located = faults.map(({ path, sentence }) => ({
    // The name of a key can be a misplaced secret.
    sentence: maskSecrets(sentence),
    line: findLine(document, lines, path),
  }));
  located.sort((a, b) => a.line - b.line);
  const text = located.map(({ line, sentence }) => `${file}: line ${line}: ${sentence}`);
  throw new UsageFault('bad_config', [...new Set(text)].join('\n'));
}
