import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbedded } from '../../../src/db/embedded.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { formatSpread, runKillsProof } from './proof.ts';

// npm run proof:kills -- [--kills 50] [--renewals 20000] [--seed N] [--json]
//
// It uses a separate PostgreSQL with durable settings. Exit code 1 if a check fails.

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    renewals: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    json: { type: 'boolean', default: false },
  },
});
const [kills, renewals, seed] = [values.kills, values.renewals, values.seed].map(Number) as [
  number,
  number,
  number,
];
const printLine = (line: string) => void process.stderr.write(`${line}\n`);
const dataDir = await mkdtemp(join(tmpdir(), 'perennial-kills-'));
const server = await startEmbedded({ dataDir, owner: 'service' });
try {
  await migrate(server.url);
  printLine(`${kills} kills over ${renewals} renewals by 2 replicas, seed ${seed}`);
  const report = await runKillsProof({ url: server.url, kills, renewals, seed, printLine });
  const times = (wasRunning: boolean) =>
    report.takeovers.filter((each) => each.wasRunning === wasRunning).map(({ ms }) => ms);
  const [running, idle] = [times(true), times(false)];
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ seed, kills, ...report })}\n`);
  } else {
    const runs = Object.entries(report.runs).map(([outcome, n]) => `${n} ${outcome}`);
    process.stdout.write(
      [
        `seed            ${seed}`,
        `renewals        ${report.renewals} of ${renewals}, in ${report.seconds} s`,
        `runs            ${runs.join(', ')}`,
        `takeover [s]    ${formatSpread(running)} (${running.length} killed at a run)`,
        `next batch [s]  ${formatSpread(idle)} (${idle.length} killed idle)`,
        `books           ${report.wrong.length === 0 ? 'clean: each period paid exactly once' : report.wrong.join('; ')}`,
        '',
      ].join('\n'),
    );
  }
  process.exitCode = report.wrong.length === 0 && report.renewals === renewals ? 0 : 1;
} finally {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}
