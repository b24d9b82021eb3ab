import { parseArgs } from 'node:util';
import { generateTestData } from '../src/demo/test-data.ts';
import { formatHeader, formatLine } from '../src/import-export/format.ts';
import { parseInstant } from '../src/kernel/instant.ts';

// Writes generated customers as CSV to stdout. This command made the file in this folder:
//   node examples/generate-customers.ts --customers 10000 --seed 1 --now 2026-11-24T00:00:00Z

const { values } = parseArgs({
  options: {
    customers: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    now: { type: 'string', default: '2026-11-24T00:00:00Z' },
  },
});

const lines = generateTestData({
  customers: Number(values.customers),
  seed: Number(values.seed),
  now: parseInstant(values.now, '--now'),
});

process.stdout.write(formatHeader('csv'));
for (const line of lines) {
  if (process.stdout.write(formatLine('csv', line))) continue;
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}
