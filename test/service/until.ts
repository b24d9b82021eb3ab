import { setTimeout as pause } from 'node:timers/promises';

/** Asks again and again until the answer is not undefined. @throws after the deadline, naming it */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  deadlineMs = 20_000,
): Promise<T> {
  const begun = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() - begun > deadlineMs) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await pause(5);
  }
}
