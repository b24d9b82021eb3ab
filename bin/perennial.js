#!/usr/bin/env node
// Starts the program. This file is plain JavaScript, so that any version of Node can read it.
//
// 1. A release runs dist/.
// 2. A clone runs src/, also if dist/ exists, because dist/ may be out of date.
// 3. A clone needs a Node that reads TypeScript: this one, else that of the dev dependency `node`.
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
function exitWithError(sentence) {
  process.stderr.write(`perennial: ${sentence}\n`);
  process.exit(2);
}

/** Node 24 of the dev dependency `node`; undefined if its install script did not run. */
function findPinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    const name = process.platform === 'win32' ? 'node.exe' : 'node';
    const file = join(dirname(manifest), 'bin', name);
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Runs the program in another Node: same terminal, forwarded signals, same exit code. */
function runIn(node) {
  const tether = pathToFileURL(join(root, 'bin', 'tether.js')).href;
  const child = spawn(node, ['--import', tether, source, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  watchLaunchers(() => child.kill('SIGTERM'));
  child.on('error', (error) =>
    exitWithError(`${node} does not start (${error.message}); run npm ci`),
  );
  child.on('exit', (code, signal) => {
    for (const each of signals) process.off(each, forward);
    // 128 plus the number of the signal, like a shell, if this process cannot end by the signal.
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
    if (signal !== null) process.kill(process.pid, signal);
  });
}

// Compiled code is cached beside the program if the folder is writable. The cache saves half of the
// start-up time of a command.
module.enableCompileCache?.(join(root, '.cache', 'compiled'));

/** Runs the program in this process. */
async function runHere(file) {
  watchLaunchers(() => process.kill(process.pid, 'SIGTERM'));
  await import(pathToFileURL(file).href);
}

const cloned = existsSync(source);
if (cloned && major >= 24 && process.features.typescript) {
  await runHere(source);
} else if (cloned && findPinnedNode() !== undefined) {
  runIn(findPinnedNode());
} else if (!existsSync(compiled)) {
  exitWithError(
    `a clone needs Node 24, and this is ${process.versions.node}; run "npm ci" to install it`,
  );
} else if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  exitWithError(
    `needs Node ${oldest} or newer, and this is ${process.versions.node}; upgrade Node`,
  );
} else {
  await runHere(compiled);
}
