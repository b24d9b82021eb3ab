import { once } from 'node:events';
import { answerOf, type CrowdAnswer, serveCrowd } from './crowd.ts';
import { using } from './place.ts';

// A process with the node of `crowd.ts`: tells its address, and for the URL of a book that it is
// sent makes ready what it will answer, and tells how large that is.

export interface CrowdReady {
  readonly users: number;
  readonly answerBytes: number;
}

let answer: CrowdAnswer = { bytes: Buffer.alloc(0), users: 0 };
const node = await serveCrowd(() => answer);
process.on('message', async (url) => {
  answer = await using(url as string, answerOf);
  const ready: CrowdReady = { users: answer.users, answerBytes: answer.bytes.length };
  process.send?.(ready);
});
process.send?.(node.api);
await once(process, 'disconnect');
node.stop();
