/** Milliseconds since its creation, by the monotonic clock of this process. */
export function stopwatch(): () => number {
  const startedMs = performance.now();
  return () => performance.now() - startedMs;
}
