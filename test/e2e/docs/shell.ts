import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

// Somebody who follows a document: a folder of their own with the examples in it, the program on the
// path, and a shell.

export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

export interface Shell extends Disposable {
  readonly folder: string;
  /** Types a block into a shell that stops at the first failure. */
  run(script: string): Promise<CommandResult>;
  /** Types a command that goes on, and ends it by SIGTERM once it has said that it is ready. */
  runUntilReady(command: string): Promise<CommandResult>;
}

/** @param database a URL, or undefined for the embedded one of the configuration */
export function openShell(database: string | undefined): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-docs-'));
  chmodSync(folder, 0o755); // as root, the server is another user and has to get through
  cpSync('examples', join(folder, 'examples'), { recursive: true });
  const bin = join(folder, '.bin');
  mkdirSync(bin);
  const program = `"${process.execPath}" "${resolve('bin/perennial.js')}"`;
  writeFileSync(join(bin, 'perennial'), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
  // What npx does in a clone, without the second that it takes.
  const npx =
    '#!/bin/sh\n[ "$1 $2" = "--no-install perennial" ] || exit 97\nshift 2\nexec perennial "$@"\n';
  writeFileSync(join(bin, 'npx'), npx, { mode: 0o755 });
  const { DATABASE_URL: _, PERENNIAL_CONFIG: __, ...inherited } = process.env;
  const env = {
    ...inherited,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    PERENNIAL_DATA_DIR: join(folder, 'data'),
    // Any port that is free: others follow the documents at the same time.
    PERENNIAL_PORT: '0',
    // Some seventy starts of the program: each but the first finds it read and compiled.
    NODE_COMPILE_CACHE: join(tmpdir(), 'perennial-docs-compiled'),
    ...(database === undefined ? {} : { DATABASE_URL: database }),
  };
  mkdirSync(env.PERENNIAL_DATA_DIR);

  function runScript(script: string, onOutput: (output: string, end: () => void) => void) {
    return new Promise<CommandResult>((done, fail) => {
      const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: folder,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      const collect = (text: string) => {
        output += text;
        onOutput(output, () => child.kill('SIGTERM'));
      };
      child.stdout.setEncoding('utf8').on('data', collect);
      child.stderr.setEncoding('utf8').on('data', collect);
      child.on('error', fail).on('close', (code) => done({ code, output }));
    });
  }

  return {
    folder,
    run: (script) => runScript(script, () => undefined),
    runUntilReady: (command) => {
      let ended = false;
      return runScript(`exec ${command}`, (output, end) => {
        if (ended || !output.includes('"msg":"ready"')) return;
        ended = true;
        end();
      });
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
