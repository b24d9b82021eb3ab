/** One turn of the event loop: sends pending output, reads input, and runs other tasks. */
export const yieldToEventLoop = (): Promise<void> =>
  new Promise((resolve) => setImmediate(resolve));
