import { once } from 'node:events';
import { buildAnswer, type ListAnswer, serveDriftedNode } from '../testbed/drifted-node.ts';
import { withClient } from './databases.ts';

// A process with the node of `drifted-node.ts`. It sends its address. For the URL of a database it
// prepares the answer, and sends its size.

export interface NodeReady {
  readonly users: number;
  readonly answerBytes: number;
}

let listAnswer: ListAnswer = { bytes: Buffer.alloc(0), users: 0 };
const node = await serveDriftedNode(() => listAnswer);
process.on('message', async (url) => {
  listAnswer = await withClient(url as string, buildAnswer);
  const ready: NodeReady = { users: listAnswer.users, answerBytes: listAnswer.bytes.length };
  process.send?.(ready);
});
process.send?.(node.api);
await once(process, 'disconnect');
node.stop();
