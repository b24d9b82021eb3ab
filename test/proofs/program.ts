import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { startEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { root } from '../support/repository.ts';

// The command line of the proofs, and the way that a proof runs tests of the suite at full size.

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number from 1 to 9999999999.');
}

/** A program `proof:<name>`. A wrong argument ends it with exit code 2. */
export const createProofProgram = (name: string, description: string): Command =>
  new Command(`proof:${name}`)
    .description(`${description} Exit code 1 if a check fails.`)
    .allowExcessArguments(false)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

/** Runs test files with these variables. The exit code of the tests becomes that of the program. */
export function runProofTests(
  files: readonly string[],
  variables: Readonly<Record<string, string | number | undefined>>,
  args: readonly string[] = [],
): void {
  const set = Object.entries(variables).filter(([, value]) => value !== undefined);
  const env = Object.fromEntries(set.map(([name, value]) => [name, String(value)]));
  const vitest = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', ...args, ...files],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => vitest.kill(signal));
  vitest.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

export const printProgress = (line: string): void => void process.stderr.write(`${line}\n`);

/** Runs a proof on a separate PostgreSQL with durable settings. @returns the result of the proof */
export async function withDurableServer<T>(
  name: string,
  prove: (url: string) => Promise<T>,
): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), `perennial-${name}-`));
  const server = await startEmbedded({ dataDir, owner: 'service' });
  try {
    await migrate(server.url);
    return await prove(server.url);
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Prints the report, and fails the program if a check failed. */
export function printReport(
  isJson: boolean,
  report: { readonly wrong: readonly string[]; readonly [figure: string]: unknown },
  lines: readonly (readonly [label: string, text: string])[],
): void {
  const width = Math.max(...lines.map(([label]) => label.length)) + 2;
  const text = lines.map(([label, value]) => `${label.padEnd(width)}${value}\n`).join('');
  process.stdout.write(isJson ? `${JSON.stringify(report)}\n` : text);
  process.exitCode = report.wrong.length === 0 ? 0 : 1;
}
