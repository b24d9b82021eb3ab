import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// bin/perennial.js with a test program behind it, under each Node of this machine.

const readVersion = (node: string) =>
  execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
const nodePaths = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((node) => existsSync(node));
const nodes = new Map([process.execPath, ...nodePaths].map((node) => [readVersion(node), node]));

const program = `
  const say: (text: string) => void = console.log;
  const keep = setInterval(() => undefined, 1_000);
  if (process.argv[2] === 'load') await new Promise(() => say('loading'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => { say(signal); clearInterval(keep); process.exitCode = 7; });
  }
  if (process.argv[2] === 'wait') say(String(process.pid));
  else { say(process.version + ' ' + process.argv.slice(2).join(' ')); process.exit(3); }`;

let clone: string;
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'perennial-bin-'));
  cpSync('bin', join(clone, 'bin'), { recursive: true });
  mkdirSync(join(clone, 'src'));
  writeFileSync(join(clone, 'src', 'main.ts'), program);
  writeFileSync(join(clone, 'package.json'), '{ "type": "module", "version": "0.1.0" }');
  symlinkSync(resolve('node_modules'), join(clone, 'node_modules'));
});
afterAll(() => rmSync(clone, { recursive: true }));

const toBinPath = () => join(clone, 'bin', 'perennial.js');

async function startWaitingProcess(
  node: string,
  command: 'wait' | 'load' = 'wait',
): Promise<{ child: ChildProcess; lines: AsyncIterator<string> }> {
  const err = command === 'wait' ? 'inherit' : 'pipe';
  const child = spawn(node, [toBinPath(), command], { stdio: ['ignore', 'pipe', err] });
  const output = child.stdout as NodeJS.ReadableStream;
  const lines = createInterface({ input: output })[Symbol.asyncIterator]();
  await lines.next();
  return { child, lines };
}

describe.each([...nodes])('in a clone under Node %s', (_, node) => {
  test('the program runs on Node 24 with its arguments, its exit code, and no warning', () => {
    const result = spawnSync(node, [toBinPath(), 'audit', '--json'], { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/^v2[4-9]\.\S+ audit --json\n$/);
    expect(result.status).toBe(3);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s reaches the program', async (signal) => {
    const { child, lines } = await startWaitingProcess(node);
    const ended = once(child, 'exit');
    child.kill(signal);
    expect((await lines.next()).value).toBe(signal);
    expect(await ended).toEqual([7, null]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s before the code is loaded prints one sentence', async (signal, code) => {
    const { child } = await startWaitingProcess(node, 'load');
    const ended = once(child, 'exit');
    const err = child.stderr?.setEncoding('utf8').toArray();
    child.kill(signal);
    expect(await ended).toEqual([code, null]);
    expect((await err)?.join('')).toBe('perennial: interrupted; nothing was changed\n');
  });
});

const olderNodes = [...nodes].filter(([version]) => Number(/\d+/.exec(version)?.[0]) < 24);

describe.each(olderNodes)('behind an older Node (%s)', (_, node) => {
  test('the program receives SIGTERM when its launcher is killed', async () => {
    const { child, lines } = await startWaitingProcess(node);
    child.kill('SIGKILL');
    expect((await lines.next()).value).toBe('SIGTERM');
    // The output ends when the program exits.
    expect((await lines.next()).done).toBe(true);
  });

  test('without the Node of `npm ci`, the launcher names the cause and exits with 2', () => {
    const bare = mkdtempSync(join(tmpdir(), 'perennial-bare-'));
    for (const part of ['bin', 'src', 'package.json']) {
      cpSync(join(clone, part), join(bare, part), { recursive: true });
    }
    const result = spawnSync(node, [join(bare, 'bin', 'perennial.js')], { encoding: 'utf8' });
    rmSync(bare, { recursive: true });
    expect(result.stderr).toMatch(
      /^perennial: a clone needs Node 24, .*run "npm ci" to install it\n$/,
    );
    expect(result.status).toBe(2);
  });
});

test('a release without src/ runs the compiled code', () => {
  const release = mkdtempSync(join(tmpdir(), 'perennial-release-'));
  cpSync('bin', join(release, 'bin'), { recursive: true });
  mkdirSync(join(release, 'dist'));
  writeFileSync(join(release, 'dist', 'main.js'), 'console.log("compiled")');
  writeFileSync(join(release, 'package.json'), '{ "type": "module" }');
  const result = spawnSync(process.execPath, [join(release, 'bin', 'perennial.js')], {
    encoding: 'utf8',
  });
  rmSync(release, { recursive: true });
  expect(result.stdout).toBe('compiled\n');
});
