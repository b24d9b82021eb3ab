import type { Config } from '../config/config.ts';
import type { ConfigFault } from '../config/faults.ts';
import { UsageFault } from '../kernel/faults.ts';
import { maskSecrets } from '../kernel/secrets.ts';

// Faults of a configuration file that only the database shows, all at once and with their lines.

export interface FileFault extends ConfigFault {
  readonly code: string;
}

/** @throws UsageFault with a line of text for each fault, and the code of the first one */
export function requireNoFileFaults(
  { path, findLine }: Config,
  faults: readonly FileFault[],
): void {
  const file = path ?? 'perennial.yaml';
  const located = faults.map((fault) => ({ ...fault, line: findLine?.(fault.path) }));
  located.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const [first] = located;
  if (first === undefined) return;
  const text = located.map(({ line, sentence }) => {
    const prefix = line === undefined ? file : `${file}: line ${line}`;
    return `${prefix}: ${maskSecrets(sentence)}`;
  });
  throw new UsageFault(first.code, text.join('\n'));
}
