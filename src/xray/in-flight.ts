/**
 * Processes items, at most `atOnce` at a time. 16 to 64 is best for one node: beyond that the CPU of
 * the client is the limit. After a failure no further item begins. The first failure is thrown when
 * all pending items have ended.
 */
export async function eachInFlight<Item>(
  items: Iterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let next = rest.next(); !failed && next.done !== true; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  const lost = lanes.find((each) => each.status === 'rejected');
  if (lost !== undefined) throw lost.reason;
}
