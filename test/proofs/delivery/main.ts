import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbedded } from '../../../src/db/embedded.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { runDeliveryProof } from './proof.ts';

// npm run proof:delivery -- [--notices 10000] [--kills 20] [--seed N] [--json]
//
// It uses a separate PostgreSQL with durable settings. Exit code 1 if a check fails.

const { values } = parseArgs({
  options: {
    notices: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    json: { type: 'boolean', default: false },
  },
});
const [notices, kills, seed] = [values.notices, values.kills, values.seed].map(Number) as [
  number,
  number,
  number,
];
const printLine = (line: string) => void process.stderr.write(`${line}\n`);
const dataDir = await mkdtemp(join(tmpdir(), 'perennial-delivery-'));
const server = await startEmbedded({ dataDir, owner: 'service' });
try {
  await migrate(server.url);
  printLine(`${notices} notices, ${kills} kills of their courier, seed ${seed}`);
  const report = await runDeliveryProof({ url: server.url, notices, kills, seed, printLine });
  const { sure, once, calls, told429, died429, inside, seconds, wrong } = report;
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ seed, notices, kills, ...report })}\n`);
  } else {
    process.stdout.write(
      [
        `seed          ${seed}`,
        `calls         ${calls} in ${seconds} s, ${told429} told to wait (${died429} waits died with their courier)`,
        `in a wait     ${inside.most} calls at most, ${inside.latestMs} ms after it was told at the latest`,
        `must arrive   ${sure.arrived} arrived, ${sure.again} came again, of ${sure.lostAnswers} sends with a lost answer`,
        `reminders     ${once.arrived} arrived, ${once.uncertain} uncertain, none twice`,
        `result        ${wrong.length === 0 ? 'right' : wrong.join('; ')}`,
        '',
      ].join('\n'),
    );
  }
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}
