import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

// The shell of a reader: a new folder with the examples, and the program on the path.

export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

export interface Shell extends Disposable {
  readonly folder: string;
  /** Types a block into a shell that stops at the first failure. */
  run(script: string): Promise<CommandResult>;
  /** Types a command that keeps running, and ends it by SIGTERM after its log line `ready`. */
  runUntilReady(command: string): Promise<CommandResult>;
}

/** @param database a URL, or undefined for the embedded database of the configuration */
export function openShell(database: string | undefined): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-docs-'));
  chmodSync(folder, 0o755); // as root, the server has another account, which needs access
  cpSync('examples', join(folder, 'examples'), { recursive: true });
  const bin = join(folder, '.bin');
  mkdirSync(bin);
  const program = `"${process.execPath}" "${resolve('bin/perennial.js')}"`;
  writeFileSync(join(bin, 'perennial'), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
  // Does the same as npx in a clone, without its start of about 1 s.
  const npx =
    '#!/bin/sh\n[ "$1 $2" = "--no-install perennial" ] || exit 97\nshift 2\nexec perennial "$@"\n';
  writeFileSync(join(bin, 'npx'), npx, { mode: 0o755 });
  const { DATABASE_URL: _, PERENNIAL_CONFIG: __, ...inherited } = process.env;
  const env = {
    ...inherited,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    PERENNIAL_DATA_DIR: join(folder, 'data'),
    // Any free port, because other tests follow documents at the same time.
    PERENNIAL_PORT: '0',
    // The program starts about 70 times. Only the first start compiles it.
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
