import { randomInt } from 'node:crypto';
import {
  createProofProgram,
  parseCount,
  printProgress,
  printReport,
  withDurableServer,
} from '../program.ts';
import { runDeliveryProof } from './proof.ts';

// `npm run proof:delivery`: a courier that is killed, and a Bot API with random faults.

interface Options {
  readonly notices: number;
  readonly kills: number;
  readonly seed?: number;
  readonly json?: true;
}

const options = createProofProgram(
  'delivery',
  'Send notifications through a faulty Bot API, and kill the courier. No receipt may be lost, and no reminder sent twice.',
)
  .option('--notices <N>', 'send this number of notifications', parseCount, 10_000)
  .option('--kills <N>', 'kill the courier this number of times', parseCount, 20)
  .option('--seed <N>', 'repeat the draws of this seed [random]', parseCount)
  .option('--json', 'print JSON [text]')
  .parse()
  .opts<Options>();

const { notices, kills, json = false, seed = randomInt(1, 2 ** 31) } = options;
printProgress(`${notices} notifications, ${kills} kills of their courier, seed ${seed}`);
const report = await withDurableServer('delivery', (url) =>
  runDeliveryProof({ url, notices, kills, seed, printLine: printProgress }),
);
const { receipts, reminders, calls, waits, lostWaits, callsDuringWaits, seconds, wrong } = report;
printReport(json, { seed, notices, kills, ...report }, [
  ['seed', String(seed)],
  [
    'calls',
    `${calls} in ${seconds} s, ${waits} answers 429 (the courier was killed in ${lostWaits} waits)`,
  ],
  [
    'during a wait',
    `at most ${callsDuringWaits.most} calls, at most ${callsDuringWaits.latestMs} ms after its start`,
  ],
  [
    'receipts',
    `${receipts.arrived} arrived, ${receipts.duplicates} duplicates of ${receipts.lostAnswers} sends with a lost answer`,
  ],
  ['reminders', `${reminders.arrived} arrived, ${reminders.uncertain} uncertain, none twice`],
  ['result', wrong.length === 0 ? 'all checks hold' : wrong.join('; ')],
]);
