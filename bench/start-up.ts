import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openBenchDatabases } from './databases.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// Processor time of short commands, beside a Node that does nothing. The first run of each variant
// fills the compile cache and does not count.

const runsPerRound = 5;
const bin = fileURLToPath(new URL('../bin/perennial.js', import.meta.url));
/** Prints the processor time of its process in ms as the last line of standard error. */
const reportCpu = `data:text/javascript,process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  process.stderr.write('\\n' + (user + system) / 1000);
})`;

async function measureCpuMs(args: readonly string[], url: string): Promise<number> {
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', reportCpu, ...args], {
    env: { ...process.env, DATABASE_URL: url, PERENNIAL_CONFIG: '' },
  });
  return Number(stderr.split('\n').at(-1));
}

async function startUp({ rounds, small, server, log }: Options): Promise<Row[]> {
  await using databases = await openBenchDatabases(server);
  await databases.template('customers', async () => undefined);
  const url = await databases.copy('customers', 'shown', '');
  await promisify(execFile)(process.execPath, [bin, 'customer', 'create', '1'], {
    env: { ...process.env, DATABASE_URL: url, PERENNIAL_CONFIG: '' },
  });
  const variants: Readonly<Record<string, readonly string[]>> = {
    'an empty Node': ['--eval', '0'],
    'perennial --help': [bin, '--help'],
    'perennial customer show': [bin, 'customer', 'show', '1'],
  };
  const all = new Map(Object.keys(variants).map((variant) => [variant, [] as number[]]));
  for (const args of Object.values(variants)) await measureCpuMs(args, url);
  for (let run = 1; run <= (small ? 1 : rounds * runsPerRound); run += 1) {
    for (const [variant, args] of Object.entries(variants)) {
      const cpuMs = await measureCpuMs(args, url);
      all.get(variant)?.push(cpuMs);
      log(`run ${run}, ${variant}: ${Math.round(cpuMs)} ms`);
    }
  }
  const emptyMs = median(all.get('an empty Node') ?? []);
  return [...all].map(([variant, cpuMs]) => ({
    variant,
    cpu_s: median(cpuMs) / 1_000,
    to_empty_node: median(cpuMs) / emptyMs,
  }));
}

export const benchmark: Benchmark = {
  description: 'processor time of --help and of customer show, against an empty Node',
  run: startUp,
};
