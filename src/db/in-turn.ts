/** One turn of the event loop: what was sent goes out, what came in is taken. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Sends the statements of a transaction in their order without waiting for the answers in between,
 * so that each is built while the server works on the one before; a third of a batch's time in the
 * program goes into building. A connection answers in the order in which it was asked. Ends when
 * every answer is there, so nothing is under way any more when the transaction is rolled back; after
 * a failure nothing new is sent, and what was sent already is refused by the server.
 * @throws the first failure
 */
export async function inTurn(statements: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  const answers: Promise<unknown>[] = [];
  for (const send of statements) {
    if (failures.length > 0) break;
    answers.push(send().then(undefined, (error: unknown) => failures.push(error)));
    await turn();
  }
  await Promise.all(answers);
  if (failures.length > 0) throw failures[0];
}
