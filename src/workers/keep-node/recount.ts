import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { eachInFlight } from '../../xray/in-flight.ts';
import { userName } from '../../xray/names.ts';
import type { NodeApi } from '../../xray/port.ts';
import { answerOf } from './answer.ts';
import type { Line } from './line.ts';
import {
  type Confirmed,
  type NodeFacts,
  type Post,
  sampleConfirmed,
  stillConfirmed,
} from './node-store.ts';

// A panel that edits an inbound removes it and adds it again: its users are lost, although the node
// was not started.
//
// 1. The users of each inbound are counted every 30 s, and at the first probe of a keeper.
// 2. The count is explained if it is the last one, plus the users that this keeper added since, minus
//    those that it removed.
// 3. A count without an explanation proves nothing: another program may have users there, and calls
//    are under way. So the node is asked for some users that the database has confirmed there.
// 4. A user is lost if the node lacks it twice, and the database confirms it before, between and
//    after. One lost user is enough: the node is filled.

/** Few enough for one turn of calls; all users of a small node. */
const sampleMax = 32;

export interface Recounting {
  readonly db: Db;
  readonly post: Post;
  readonly line: Line;
  readonly api: NodeApi;
  readonly signal: AbortSignal;
}

/** @returns the tag of an inbound that has lost users; the fault of the node that hides it */
export async function findLoss(
  { line, ...asking }: Recounting,
  { inbounds }: NodeFacts,
): Promise<string | Fault | undefined> {
  if (!line.recount.begin(line.nowMs())) return undefined;
  for (const tag of inbounds) {
    const net = line.changes.of(tag);
    const counted = await answerOf(() => asking.api.countUsers(tag, { signal: asking.signal }));
    if ('fault' in counted) {
      if (counted.fault.kind === 'transient') return counted.fault;
      // A node that cannot count, or lacks the inbound: the work and `node list` report it.
      line.recount.forget(tag);
      continue;
    }
    if (line.recount.explains(tag, counted.value, net)) continue;
    const lost = await hasLost(asking, tag);
    if (lost instanceof Fault) return lost;
    if (lost) return tag;
  }
  return undefined;
}

type Asking = Omit<Recounting, 'line'>;

async function hasLost(asking: Asking, tag: string): Promise<boolean | Fault> {
  const { db, post } = asking;
  let suspected = await sampleConfirmed(db, post.node, sampleMax);
  for (let times = 0; times < 2 && suspected.length > 0; times += 1) {
    const absent = await absentOf(asking, tag, suspected);
    if (absent instanceof Fault) return absent;
    if (absent.length === 0) return false;
    suspected = await stillConfirmed(db, post.node, absent);
  }
  return suspected.length > 0;
}

/** @returns which of them the inbound lacks; a permanent fault tells of none */
async function absentOf(
  { api, signal }: Asking,
  tag: string,
  credentials: readonly Confirmed[],
): Promise<Confirmed[] | Fault> {
  const absent: Confirmed[] = [];
  const faults: Fault[] = [];
  await eachInFlight(credentials, sampleMax, async (credential) => {
    const name = userName(credential.installation, credential.id);
    const found = await answerOf(() => api.findUser(tag, name, { signal }));
    if ('fault' in found) faults.push(found.fault);
    else if (found.value === undefined) absent.push(credential);
  });
  return faults.find(({ kind }) => kind === 'transient') ?? absent;
}
