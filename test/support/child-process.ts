import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../../testbed/until.ts';

/**
 * A TypeScript file of the tests in a separate process. Its disposal sends SIGKILL and waits for
 * its exit.
 */
export interface TestProcess extends AsyncDisposable {
  /** The first line of its output that matches. */
  untilLine(what: string, fits: (line: string) => boolean, deadlineMs?: number): Promise<string>;
  writeInput(text: string): void;
  readonly exit: Promise<{
    readonly signal: NodeJS.Signals | null;
    readonly lines: readonly string[];
  }>;
}

export function startProcess(entry: URL, args: readonly string[]): TestProcess {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [
    fileURLToPath(entry),
    ...args,
  ]);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const lines = () => out.split('\n').slice(0, -1);
  const exit = once(child, 'close').then(([, signal]) => ({ signal, lines: lines() }));
  return {
    exit,
    writeInput: (text) => void child.stdin.write(text),
    async untilLine(what, matches, deadlineMs = 60_000) {
      try {
        return await until(what, () => lines().find(matches), deadlineMs);
      } catch (error) {
        throw new Error(`${what}: it wrote\n${out}${err}`, { cause: error });
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
