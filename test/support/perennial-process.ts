import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../testbed/until.ts';

/** A line of the log of a service. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A `perennial` in a separate process. Its disposal sends SIGKILL and waits for its exit. */
export interface PerennialProcess extends AsyncDisposable {
  readonly pid: number;
  readonly log: readonly LogLine[];
  readonly exit: Promise<ProcessExit>;
  kill(signal: NodeJS.Signals): void;
  /** The first line that matches, also among earlier ones. */
  untilLine(what: string, fits: (line: LogLine) => boolean, deadlineMs?: number): Promise<LogLine>;
  untilReady(): Promise<LogLine>;
  /** The first run of auto-renewal with this outcome. */
  untilRun(ended: Readonly<Record<string, unknown>>, deadlineMs?: number): Promise<LogLine>;
}

export interface ProcessOptions {
  readonly url: string;
  /** The settings of auto-renewal in `perennial.yaml`, as `every: 1s, batch: 20`. */
  readonly autoRenewal?: string;
  /** The settings of other workers, by name. */
  readonly workers?: string;
  /** Further lines of the file. */
  readonly extraConfig?: string;
  readonly logLevel?: string;
  /** The error of the clock of the process. */
  readonly skewMs?: number;
  readonly dataDir?: string;
  /** The entry file of another version of the program. */
  readonly entry?: string;
}

const toPath = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export function startPerennial(args: readonly string[], options: ProcessOptions): PerennialProcess {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-process-'));
  const config = join(folder, 'perennial.yaml');
  writeFileSync(
    config,
    `workers: { ${options.workers ?? `auto-renewal: { ${options.autoRenewal ?? ''} }`} }\n${options.extraConfig ?? ''}\n`,
  );
  const preload = options.skewMs === undefined ? [] : ['--import', toPath('skewed-clock.ts')];
  const child = spawn(
    process.execPath,
    [...preload, options.entry ?? toPath('../../src/main.ts'), ...args, '--config', config],
    {
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: toPath('../../.cache/compiled'),
        DATABASE_URL: options.url,
        ...(options.dataDir === undefined ? {} : { PERENNIAL_DATA_DIR: options.dataDir }),
        PERENNIAL_LOG_LEVEL: options.logLevel ?? 'debug',
        SKEW_MS: String(options.skewMs ?? 0),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  return watchProcess(child, folder);
}

function watchProcess(child: ChildProcess, folder: string): PerennialProcess {
  const log: LogLine[] = [];
  let [out, err] = ['', ''];
  let read = 0;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    for (let end = out.indexOf('\n', read); end >= 0; end = out.indexOf('\n', read)) {
      const untilLine = out.slice(read, end);
      if (untilLine.startsWith('{"level"')) log.push(JSON.parse(untilLine));
      read = end + 1;
    }
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const exit = new Promise<ProcessExit>((resolve) => {
    child.on('close', (code, signal) => {
      rmSync(folder, { recursive: true, force: true });
      resolve({ code, signal, out, err });
    });
  });
  const untilLine: PerennialProcess['untilLine'] = async (what, fits, deadlineMs) => {
    try {
      return await until(what, () => log.find(fits), deadlineMs);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it wrote:\n${out.slice(-4_000)}${err}`);
    }
  };
  return {
    pid: child.pid as number,
    log,
    exit,
    kill: (signal) => void child.kill(signal),
    untilLine,
    untilReady: () => untilLine('ready', ({ msg }) => msg === 'ready'),
    untilRun: (ended, deadlineMs) =>
      untilLine(
        `a run of auto-renewal with ${JSON.stringify(ended)}`,
        (each) =>
          each.msg === 'run ended' &&
          each.worker === 'auto-renewal' &&
          Object.entries(ended).every(([name, value]) => each[name] === value),
        deadlineMs,
      ),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
