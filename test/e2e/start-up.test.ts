import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scheduledWorkers, workerNames } from '../../src/runs/worker-names.ts';
import { createRunnableWorkers, workers } from '../../src/workers/index.ts';
import { root } from '../support/repository.ts';

// A command loads only the code that it needs: `bench start-up` measures the effect.

/** Prints the URL of each loaded module as the last line of standard error. */
const listModules = `data:text/javascript,import { registerHooks } from 'node:module';
const urls = [];
registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
process.on('exit', () => process.stderr.write('\\n' + JSON.stringify(urls)));`;

function readModules(args: readonly string[]): { libraries: Set<string>; source: string[] } {
  const program = `process.argv.splice(1, 0, 'perennial'); await import('./src/main.ts')`;
  const { VITEST: _, ...env } = process.env;
  const shell = `"$0" "$@" 2>&1 >/dev/null`;
  const node = ['--import', listModules, '--input-type=module', '--eval', program, '--', ...args];
  const err = execFileSync('sh', ['-c', shell, process.execPath, ...node], { cwd: root, env });
  const urls = JSON.parse(err.toString().trim().split('\n').at(-1) ?? '') as string[];
  return {
    libraries: new Set(urls.flatMap((url) => /node_modules\/([^/]+)/.exec(url)?.[1] ?? [])),
    source: urls.flatMap((url) => url.split(`${join(root, 'src')}/`)[1] ?? []),
  };
}

test('`--help` loads no library except commander, and no command', () => {
  const { libraries, source } = readModules(['--help']);
  expect([...libraries]).toEqual(['commander']);
  expect(source).toContain('cli/program.ts');
  expect(source.filter((file) => /^(workers|subscription|http|xray)\//.test(file))).toEqual([]);
});

test('`customer --help` loads no worker, no node client and no other command', () => {
  const { libraries, source } = readModules(['customer', '--help']);
  expect(source).toContain('cli/commands/customer/customer.ts');
  expect(source.filter((file) => /worker\.ts$|^http\/|^xray\/grpc\/|^demo\//.test(file))).toEqual(
    [],
  );
  expect(libraries).not.toContain('protobufjs');
});

test('the list of worker names equals the names of the workers', () => {
  expect(workers.map(({ name }) => name)).toEqual(scheduledWorkers);
  const delivery = () => {
    throw new Error('no run here');
  };
  expect(createRunnableWorkers(delivery).map(({ name }) => name)).toEqual(workerNames);
});
