import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from '../../testbed/until.ts';

// Launchers of the program: npm, npx and shells, as real processes. A test program behind
// bin/perennial.js prints its process id, and then the signals that it receives.

vi.setConfig({ testTimeout: 90_000 });

const program = `
  console.log('pid ' + process.pid);
  const keep = setInterval(() => undefined, 1_000);
  process.on('SIGTERM', () => { console.log('SIGTERM'); clearInterval(keep); });`;

let clone: string;
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'perennial-launchers-'));
  cpSync('bin', join(clone, 'bin'), { recursive: true });
  mkdirSync(join(clone, 'src'));
  writeFileSync(join(clone, 'src', 'main.ts'), program);
  const manifest = {
    ...{ name: 'perennial', type: 'module', version: '0.1.0' },
    bin: { perennial: 'bin/perennial.js' },
    scripts: { serve: 'node bin/perennial.js start' },
  };
  writeFileSync(join(clone, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(clone, 'serve.sh'), 'node bin/perennial.js start\ntrue\n');
  symlinkSync(resolve('node_modules'), join(clone, 'node_modules'));
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

interface LaunchedProgram {
  readonly launcher: ChildProcess;
  readonly pid: number;
  read(): string;
}

/** Starts a launcher in a new process group, as a supervisor or an interactive shell does. */
async function launch(words: readonly string[]): Promise<LaunchedProgram> {
  const [command = '', ...args] = words;
  const launcher = spawn(command, args, {
    cwd: clone,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  launcher.stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const started = () => /^pid (\d+)$/m.exec(text)?.[1];
  const pid = Number(await until('the program starts', started, 60_000));
  return { launcher, pid, read: () => text };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(process.platform !== 'linux')('a signal to the launcher of the program', () => {
  test.each([
    [['sh', '-c', 'node bin/perennial.js start; true']],
    [['bash', '-c', 'echo first; npx --no-install perennial start; echo last']],
    [['sh', 'serve.sh']],
    [['npm', 'run', 'serve']],
    [['npx', '--no-install', 'perennial', 'start']],
  ])('%j: SIGTERM ends the program within 10 s', async (words) => {
    const { launcher, pid, read } = await launch(words);
    launcher.kill('SIGTERM');
    await until('the program received SIGTERM', () => read().includes('SIGTERM'), 10_000);
    await until('the program ended', () => !isRunning(pid), 10_000);
  });

  test.each([
    [['npx', '--no-install', 'perennial', 'start']],
    [['sh', '-c', 'node bin/perennial.js start; true']],
  ])('%j: SIGKILL also ends the program', async (words) => {
    const { launcher, pid } = await launch(words);
    launcher.kill('SIGKILL');
    await until('the program ended', () => !isRunning(pid), 10_000);
  });

  test.each([
    ['nohup node bin/perennial.js start & sleep 60'],
    ['setsid node bin/perennial.js start & sleep 60'],
    ['node bin/perennial.js start & sleep 60'],
  ])('%s: a detached program keeps running', async (text) => {
    const { launcher, pid, read } = await launch(['sh', '-c', text]);
    const gone = new Promise((done) => launcher.once('exit', done));
    launcher.kill('SIGKILL');
    await gone;
    // bin/perennial.js checks its launcher twice a second, so it has checked four times before the
    // test ends the program by SIGTERM.
    const killedMs = performance.now();
    await until('four checks', () => performance.now() - killedMs > 2_000);
    expect(read()).not.toContain('SIGTERM');
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGTERM');
    await until('the program ended', () => !isRunning(pid));
  });
});
