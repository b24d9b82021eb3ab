import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stopwatch } from '../../src/kernel/stopwatch.ts';

// `npm start` for a newcomer, in real processes and a new folder.

let folder: string;
let dataDir: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'perennial-demo-test-'));
  chmodSync(folder, 0o711); // as root, the server has another account
  dataDir = join(folder, 'data');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function startDemo(args: readonly string[], more: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, ['bin/perennial.js', ...args], {
    env: { ...process.env, PERENNIAL_DATA_DIR: dataDir, PERENNIAL_CONFIG: '', ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function untilEnded(
  child: ChildProcess,
): Promise<{ code: number | null; out: string; err: string }> {
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

interface DemoHour {
  readonly now: string;
  readonly renewed: number;
  readonly short: number;
  readonly expired: number;
  readonly audit: { readonly checks: number; readonly violations: number } | null;
  readonly node: {
    readonly users: number;
    readonly wanted: number;
    readonly equal: boolean;
    readonly retired: number;
    readonly confirmed: number;
  };
}

test('the demo renews by virtual time, its audit finds no violation, and Ctrl-C ends it and leaves no process', async () => {
  const demo = startDemo(['demo', '--json', '--rate', '20000']);
  const lines = createInterface({ input: demo.stdout as NodeJS.ReadableStream });
  const hours: DemoHour[] = [];
  for await (const line of lines) {
    hours.push(JSON.parse(line));
    if (hours.length === 4) break;
  }
  // PostgreSQL has this file while it runs. A server that was killed leaves the file.
  const running = join(dataDir, 'postgres', 'postmaster.pid');
  expect(existsSync(running)).toBe(true);
  demo.kill('SIGINT');
  const elapsedMs = stopwatch();
  const [code] = await once(demo, 'exit');
  expect(code).toBe(0);
  expect(elapsedMs()).toBeLessThan(5_000);
  expect(existsSync(running)).toBe(false);
  const renewed = hours.reduce((sum, hour) => sum + hour.renewed, 0);
  // About 20 subscriptions per hour become due. A fifth of their balances is too small.
  expect(renewed).toBeGreaterThan(30);
  expect(renewed).toBeLessThan(110);
  expect(hours.reduce((sum, hour) => sum + hour.short, 0)).toBeGreaterThan(3);
  // The clock waits for the node: at each hour the node has exactly the users of the database.
  for (const { node } of hours) {
    expect(node).toMatchObject({ equal: true, users: node.wanted, confirmed: node.retired });
    expect(node.users).toBeGreaterThan(400);
  }
  expect(hours.at(-1)?.node.retired).toBeGreaterThan(0);
  const audit = await untilEnded(startDemo(['audit', '--json'], { DATABASE_URL: 'embedded' }));
  expect(audit).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(audit.out).ok).toBe(true);
}, 300_000);

test('a service refuses the folder of a demo, in one sentence', async () => {
  const { code, err } = await untilEnded(startDemo(['start'], { DATABASE_URL: 'embedded' }));
  expect(code).toBe(2);
  expect(err).toMatch(/^perennial: data folder .* was made by "perennial demo"[^\n]*\n$/);
});

test('a demo refuses a folder with a database that is not of a demo', async () => {
  const own = join(folder, 'own');
  mkdirSync(join(own, 'postgres'), { recursive: true });
  const { code, err } = await untilEnded(startDemo(['demo'], { PERENNIAL_DATA_DIR: own }));
  expect(code).toBe(2);
  expect(err).toMatch(
    /^perennial: data folder .*: contains a database that is not of a demo; [^\n]*\n$/,
  );
  expect(existsSync(join(own, 'made-by-perennial-demo'))).toBe(false);
});
