import { randomInt } from 'node:crypto';
import {
  createProofProgram,
  parseCount,
  printProgress,
  printReport,
  withDurableServer,
} from '../program.ts';
import { formatSpread, runKillsProof } from './proof.ts';

// `npm run proof:kills`: replicas that are killed at random during renewals.

interface Options {
  readonly kills: number;
  readonly renewals: number;
  readonly seed?: number;
  readonly json?: true;
}

const options = createProofProgram(
  'kills',
  'Kill replicas at random during renewals. Each period must be paid exactly once.',
)
  .option('--kills <N>', 'kill this number of times', parseCount, 50)
  .option('--renewals <N>', 'renew this number of subscriptions', parseCount, 20_000)
  .option('--seed <N>', 'repeat the draws of this seed [random]', parseCount)
  .option('--json', 'print JSON [text]')
  .parse()
  .opts<Options>();

const { kills, renewals, json = false, seed = randomInt(1, 2 ** 31) } = options;
printProgress(`${kills} kills over ${renewals} renewals by 2 replicas, seed ${seed}`);
const report = await withDurableServer('kills', (url) =>
  runKillsProof({ url, kills, renewals, seed, printLine: printProgress }),
);
const listTakeoverMs = (wasRunning: boolean) =>
  report.takeovers.filter((each) => each.wasRunning === wasRunning).map(({ ms }) => ms);
const [running, idle] = [listTakeoverMs(true), listTakeoverMs(false)];
const missing = renewals - report.renewals;
const wrong = [...report.wrong, ...(missing === 0 ? [] : [`${missing} renewals are missing`])];
printReport(json, { seed, kills, ...report, wrong }, [
  ['seed', String(seed)],
  ['renewals', `${report.renewals} of ${renewals}, in ${report.seconds} s`],
  [
    'runs',
    Object.entries(report.runs)
      .map(([outcome, n]) => `${n} ${outcome}`)
      .join(', '),
  ],
  ['takeover [s]', `${formatSpread(running)} (${running.length} killed during a run)`],
  ['next batch [s]', `${formatSpread(idle)} (${idle.length} killed while idle)`],
  ['result', wrong.length === 0 ? 'each period is paid exactly once' : wrong.join('; ')],
]);
