import { Command, InvalidArgumentError, Option } from 'commander';
import { benchmark as api } from './api.ts';
import { benchmark as audit } from './audit.ts';
import { benchmark as bulk } from './bulk.ts';
import type { ServerKind } from './databases.ts';
import { benchmark as delivery } from './delivery.ts';
import { benchmark as expiry } from './expiry.ts';
import { benchmark as forecast } from './forecast.ts';
import { benchmark as idle } from './idle.ts';
import { benchmark as transfer } from './import.ts';
import { benchmark as lists } from './lists.ts';
import { benchmark as nodesIdle } from './nodes-idle.ts';
import { benchmark as overlap } from './overlap.ts';
import { benchmark as reconcile } from './reconcile.ts';
import { benchmark as reminders } from './reminders.ts';
import { benchmark as renewal } from './renewal.ts';
import { benchmark as report } from './report.ts';
import { benchmark as reseed } from './reseed.ts';
import { benchmark as startUp } from './start-up.ts';
import { type Benchmark, formatTable, withRatios } from './table.ts';
import { benchmark as xrayAdds } from './xray-adds.ts';

// `npm run bench -- NAME`: measures, prints a table (or JSON with --json), and removes its data.

/** A size at which each benchmark runs in seconds. The test suite runs all of them at this size. */
const smallSizes = { subscriptions: 1_200, due: 120, rounds: 1 } as const;

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
  report,
  forecast,
  api,
  'xray-adds': xrayAdds,
  'nodes-idle': nodesIdle,
  'start-up': startUp,
  lists,
  bulk,
};

function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('is not a number; expected a whole number above 0');
}

const list = Object.entries(benchmarks).map(
  ([name, { description }]) => `  ${name.padEnd(11)} ${description}`,
);

const program = new Command('bench')
  .description('measure Perennial on a separate durable PostgreSQL in a temporary folder')
  .argument('[name]', 'run this benchmark')
  .option('--json', 'print rows as JSON on standard output, progress on standard error')
  .option('--subscriptions <n>', 'create N subscriptions [1000000]', parseCount)
  .option('--due <n>', 'make N of them due [100000]', parseCount)
  .option('--rounds <n>', 'measure each variant N times, report medians [3]', parseCount)
  .addOption(
    new Option(
      '--server <kind>',
      'use this PostgreSQL: tuned, stock (Debian, default settings), both',
    )
      .choices(['tuned', 'stock', 'both'])
      .default('tuned'),
  )
  .option('--small', 'run at the smallest size, as a test; the figures mean nothing')
  .option('--list', 'print the names of all benchmarks')
  .addHelpText('after', `\nBenchmarks:\n${list.join('\n')}`)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

interface BenchArguments {
  readonly json?: true;
  readonly small?: true;
  readonly list?: true;
  readonly server: ServerKind | 'both';
  readonly subscriptions?: number;
  readonly due?: number;
  readonly rounds?: number;
}

program.parse();
const [name] = program.args;
const { json, list: listOnly, small, server, ...sizeOptions } = program.opts<BenchArguments>();
const usualSizes = { subscriptions: 1_000_000, due: 100_000, rounds: 3 };
const sizes = { ...(small === true ? smallSizes : usualSizes), ...sizeOptions };
const benchmark = name === undefined ? undefined : benchmarks[name];
if (listOnly === true) {
  console.log(Object.keys(benchmarks).join('\n'));
} else if (benchmark === undefined) {
  program.error(`error: "${name ?? ''}" is not a benchmark; available:\n${list.join('\n')}`);
} else if (sizes.due > sizes.subscriptions) {
  program.error('error: --due is more than --subscriptions');
} else {
  const log = (line: string) => console.error(line);
  const run = (kind: ServerKind) =>
    benchmark.run({ ...sizes, small: small === true, server: kind, log });
  const rows =
    server === 'both' ? withRatios(await run('tuned'), await run('stock')) : await run(server);
  console.log(json ? JSON.stringify(rows, null, 2) : formatTable(rows));
}
