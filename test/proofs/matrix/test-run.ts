import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The result of a test. */
export interface TestResult {
  readonly title: string;
  readonly file: string;
  readonly passed: boolean;
  /** The reason of a failure, with the seed of a property. */
  readonly message: string;
}

export interface VitestResults {
  readonly tests: readonly TestResult[];
  /** Files that failed to load, with the reason. */
  readonly unloadable: readonly string[];
}

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Test files that contain a title with such ids. */
function findTestFiles(root: string, pattern: string): string[] {
  const title = new RegExp(`['"\`](?:${pattern.replace('(?:^| )', '')})`);
  // Tests that fail fastest come first, and the model comes last.
  return ['src/**', 'test/integration/**', 'test/e2e/**', 'test/proofs/crashes/**', 'test/**']
    .map((folder) => `${folder}/*.test.ts`)
    .flatMap((glob) => globSync(glob, { cwd: root }))
    .filter((file, at, all) => all.indexOf(file) === at)
    .filter((file) => title.test(readFileSync(join(root, file), 'utf8')));
}

/** Runs the tests of `root` with matching titles. Other files are not loaded. */
export function runTests(root: string, pattern: string): Promise<VitestResults> {
  return runFiles(root, pattern, findTestFiles(root, pattern), {});
}

/**
 * Runs files one by one until a test with a matching title fails. vitest's `--bail` may end the
 * process of a failed file before its report arrives.
 */
export async function failsAnyTest(
  root: string,
  pattern: string,
  env: NodeJS.ProcessEnv,
): Promise<boolean> {
  for (const file of findTestFiles(root, pattern)) {
    const { tests, unloadable } = await runFiles(root, pattern, [file], env);
    if (tests.some(({ passed }) => !passed)) return true;
    if (unloadable.length > 0) throw new Error(`cannot be loaded: ${unloadable.join('\n')}`);
  }
  return false;
}

async function runFiles(
  root: string,
  pattern: string,
  files: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<VitestResults> {
  if (files.length === 0) return { tests: [], unloadable: [] };
  const folder = mkdtempSync(join(tmpdir(), 'perennial-matrix-'));
  const outputFile = join(folder, 'results.json');
  try {
    const args = ['run', '-t', pattern, '--reporter=json', `--outputFile=${outputFile}`];
    await runVitest(root, [...args, ...files], env);
    return parseReport(JSON.parse(readFileSync(outputFile, 'utf8')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runVitest(root: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const entry = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return new Promise((resolve, reject) => {
    // The report contains its output, so standard output stays free.
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', () => resolve());
  });
}

function parseReport(report: JsonReport): VitestResults {
  const tests = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ title, status, failureMessages }) => ({
        title,
        file: name,
        passed: status === 'passed',
        message: (failureMessages ?? []).join('\n'),
      })),
  );
  const unloadable = report.testResults
    .filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
    .map(({ name, message }) => `${name}: ${message}`);
  return { tests, unloadable };
}
