import type { Config } from '../config.ts';
import type { ConfigFault } from '../config-faults.ts';
import { UsageFault } from '../kernel/faults.ts';
import { maskSecrets } from '../kernel/secrets.ts';

// Faults of a configuration that only the database shows: all of a file at once, each with its line.

export interface BookFault extends ConfigFault {
  readonly code: string;
}

/** @throws UsageFault with a line of text for each fault, and the code of the first one */
export function refuseBookFaults({ path, lineOf }: Config, faults: readonly BookFault[]): void {
  const file = path ?? 'perennial.yaml';
  const placed = faults.map((fault) => ({ ...fault, line: lineOf?.(fault.path) }));
  placed.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const [first] = placed;
  if (first === undefined) return;
  const text = placed.map(({ line, sentence }) => {
    const place = line === undefined ? file : `${file}: line ${line}`;
    return `${place}: ${maskSecrets(sentence)}`;
  });
  throw new UsageFault(first.code, text.join('\n'));
}
