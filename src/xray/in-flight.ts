/**
 * Works off items with at most `atOnce` under way. 16 to 64 is best for one node: the client's own
 * CPU is the limit from there on (XRAY.md 2). After a failure nothing new begins, and the first one
 * is thrown when all that was under way has ended.
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
