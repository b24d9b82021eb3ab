import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

// A child process of a benchmark, `NAME-run.ts`, which receives orders and sends results.

export interface Child extends AsyncDisposable {
  /** Its next message. @throws Error if it exits instead; standard error has the reason */
  receive<Answer>(): Promise<Answer>;
  request<Answer>(message: string | object): Promise<Answer>;
}

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  /** The program of the process. The default is `NAME-run.ts` of this folder. */
  readonly file?: URL;
}

export async function startChild(name: string, options: ChildOptions = {}): Promise<Child> {
  const { args = [], execArgv = [], file = new URL(`./${name}-run.ts`, import.meta.url) } = options;
  const profile = process.env.BENCH_CPU_PROF === name ? ['--cpu-prof'] : [];
  const child = fork(file.pathname, args, { execArgv: [...execArgv, ...profile] });
  const receive = <Answer>(): Promise<Answer> => receiveMessage(child, name) as Promise<Answer>;
  return {
    receive,
    request<Answer>(message: string | object) {
      const answer = receive<Answer>();
      child.send(message);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Longer than any step of a benchmark at its usual size. */
const waitMaxMs = 60 * 60 * 1_000;

/**
 * The next message of a process.
 * @throws Error if the process ends instead, or sends nothing for an hour
 */
export async function receiveMessage(child: ChildProcess, name: string): Promise<unknown> {
  const finished = new AbortController();
  const limit = AbortSignal.timeout(waitMaxMs);
  const signal = AbortSignal.any([finished.signal, limit]);
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`the process ${name} ended with ${code}`);
      }),
    ]);
    return message;
  } catch (error) {
    if (!limit.aborted) throw error;
    child.kill('SIGKILL');
    throw new Error(`the process ${name} sent nothing for an hour`, { cause: error });
  } finally {
    finished.abort();
  }
}
