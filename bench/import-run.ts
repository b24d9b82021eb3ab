import { exportCustomers } from '../src/import-export/export.ts';
import { openSource, writeTarget } from '../src/import-export/files.ts';
import { importCustomers } from '../src/import-export/import.ts';

// A process that imports or exports one file. `import.ts` starts it.

export interface TransferReport {
  readonly ms: number;
  readonly peakMb: number;
}

const [, , direction, url, file] = process.argv as [
  string,
  string,
  'import' | 'export',
  string,
  string,
];
const startedMs = performance.now();
if (direction === 'import') {
  const { bytes } = await openSource(file);
  const request = { url, source: bytes, format: 'csv', currency: 'RUB', actor: 'bench' } as const;
  const outcome = await importCustomers(request);
  if (outcome.outcome !== 'imported') throw new Error(JSON.stringify(outcome).slice(0, 1_000));
} else {
  await writeTarget(`${file}.out`, exportCustomers({ url, format: 'csv' }));
}
const report: TransferReport = {
  ms: performance.now() - startedMs,
  peakMb: process.resourceUsage().maxRSS / 1_024,
};
process.send?.(report);
process.disconnect?.();
