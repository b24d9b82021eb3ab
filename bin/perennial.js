#!/usr/bin/env node
// The program's door, in plain JavaScript for any Node that may meet it.
//
// A release brings dist/, compiled. A clone runs src/ as it is (also after a build, which may be
// stale), and takes a Node that reads TypeScript: this one if it is new enough, else the one that
// npm installed as a dev dependency.
import './early-signals.js';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { watchLaunchers } from './launchers.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = join(root, 'dist', 'main.js');
const source = join(root, 'src', 'main.ts');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** The oldest Node that all parts support, which package.json states as `>=X.Y.Z`. */
const oldest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines?.node.slice(2);
const [oldestMajor = 0, oldestMinor = 0] = (oldest ?? '0.0').split('.').map(Number);

/** Exit code 2: wrong usage or configuration. */
function giveUp(sentence) {
  process.stderr.write(`perennial: ${sentence}\n`);
  process.exit(2);
}

/** Node 24, from the dev dependency `node`; undefined where its install script did not run. */
function pinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    const name = process.platform === 'win32' ? 'node.exe' : 'node';
    const file = join(dirname(manifest), 'bin', name);
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Runs the program in a Node of its own: same terminal, signals passed on, same end. */
function runIn(node) {
  const tether = pathToFileURL(join(root, 'bin', 'tether.js')).href;
  const child = spawn(node, ['--import', tether, source, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const passOn = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, passOn);
  watchLaunchers(() => child.kill('SIGTERM'));
  child.on('error', (error) => giveUp(`${node} does not start (${error.message}); run npm ci`));
  child.on('exit', (code, signal) => {
    for (const each of signals) process.off(each, passOn);
    // 128 + n is how a shell tells of a signal; also where we can't die of it ourselves.
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
    if (signal !== null) process.kill(process.pid, signal);
  });
}

// What was read and compiled once is kept beside the program, where it may write: that is half of
// the time that a command takes to begin.
module.enableCompileCache?.(join(root, '.cache', 'compiled'));

/** Runs the program in this process. */
async function runHere(file) {
  watchLaunchers(() => process.kill(process.pid, 'SIGTERM'));
  await import(pathToFileURL(file).href);
}

const cloned = existsSync(source);
if (cloned && major >= 24 && process.features.typescript) {
  await runHere(source);
} else if (cloned && pinnedNode() !== undefined) {
  runIn(pinnedNode());
} else if (!existsSync(compiled)) {
  giveUp(`a clone needs Node 24, and this is ${process.versions.node}; npm ci brings it`);
} else if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  giveUp(`needs Node ${oldest} or newer, and this is ${process.versions.node}; upgrade Node`);
} else {
  await runHere(compiled);
}
