import { Command, InvalidArgumentError } from 'commander';
import { benchmark as api } from './api.ts';
import { benchmark as audit } from './audit.ts';
import { benchmark as delivery } from './delivery.ts';
import { benchmark as expiry } from './expiry.ts';
import { benchmark as idle } from './idle.ts';
import { benchmark as transfer } from './import.ts';
import { benchmark as nodesIdle } from './nodes-idle.ts';
import { benchmark as overlap } from './overlap.ts';
import { benchmark as reconcile } from './reconcile.ts';
import { benchmark as reminders } from './reminders.ts';
import { benchmark as renewal } from './renewal.ts';
import { benchmark as reseed } from './reseed.ts';
import { type Benchmark, tableOf } from './table.ts';
import { benchmark as xrayAdds } from './xray-adds.ts';

// `npm run bench -- NAME`: measures, prints a table (or JSON with --json), and leaves nothing.

/** Every benchmark. A new one is a file and a line. */
const benchmarks: Readonly<Record<string, Benchmark>> = {
  renewal,
  expiry,
  reseed,
  reconcile,
  idle,
  delivery,
  overlap,
  reminders,
  import: transfer,
  audit,
  api,
  'xray-adds': xrayAdds,
  'nodes-idle': nodesIdle,
};

function whole(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a whole number above 0 is needed');
}

const list = Object.entries(benchmarks).map(([name, { says }]) => `  ${name.padEnd(11)} ${says}`);

const program = new Command('bench')
  .description('Measures Perennial on a durable PostgreSQL of its own in a temporary folder.')
  .argument('<name>', 'the benchmark')
  .option('--json', 'rows as JSON on standard output; progress goes to standard error')
  .option('--subscriptions <n>', 'size of the book', whole, 1_000_000)
  .option('--due <n>', 'how many of them are due', whole, 100_000)
  .option('--rounds <n>', 'how often each variant is measured; medians count', whole, 3)
  .addHelpText('after', `\nBenchmarks:\n${list.join('\n')}`)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program.parse();
const [name] = program.args as [string];
const chosen = benchmarks[name];
if (chosen === undefined) {
  program.error(`error: no benchmark "${name}"; there are:\n${list.join('\n')}`);
} else {
  const { json, ...sizes } = program.opts<{
    json?: true;
    subscriptions: number;
    due: number;
    rounds: number;
  }>();
  if (sizes.due > sizes.subscriptions) program.error('error: --due is more than --subscriptions');
  const rows = await chosen.run({ ...sizes, say: (line) => console.error(line) });
  console.log(json ? JSON.stringify(rows, null, 2) : tableOf(rows));
}
