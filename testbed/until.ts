import { setTimeout as pause } from 'node:timers/promises';

/**
 * Repeats a question until the answer is neither undefined nor false. The deadline ends a test that
 * hangs, so it is long enough for a busy machine.
 * @throws Error after the deadline, with its name
 */
export async function until<T>(
  what: string,
  read: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 60_000,
): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    const answer = await read();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() - startedMs > deadlineMs)
      throw new Error(`${deadlineMs} ms passed without: ${what}`);
    await pause(5);
  }
}
