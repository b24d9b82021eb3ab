import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../support/repository.ts';

/** The exit code and both outputs of a program of the repository. */
export interface ProgramRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `file` of the repository with Node and waits for its exit. */
export function runProgram(file: string, args: readonly string[]): Promise<ProgramRun> {
  const { VITEST: _, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, file), ...args],
      { cwd: root, env, maxBuffer: 64 * 1_024 * 1_024, timeout: 290_000 },
      (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });
}
