import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import type { Lease } from '../../leases/lease.ts';
import { runConcurrently } from '../../xray/concurrency.ts';
import type { NodeApi } from '../../xray/port.ts';
import { formatUserName } from '../../xray/user-names.ts';
import type { OpenConnection } from './connection.ts';
import {
  type ConfirmedCredential,
  filterConfirmed,
  type NodeFacts,
  readConfirmedSample,
} from './node-store.ts';
import { toResult } from './result.ts';

// The rule that detects an inbound that lost its users while the node kept running.
//
// A panel that edits an inbound removes it and adds it again, and its users are lost.
//
// 1. The users of each inbound are counted every 30 s, and at the first probe of a keeper.
// 2. The count is explained if it is the last one, plus the users that this keeper added since,
//    minus those that it removed.
// 3. A count without an explanation proves nothing: another program may have users there, and calls
//    are under way. So the node is asked for some users that the database has confirmed there.
// 4. A user is lost if the node lacks it twice, and the database confirms it before, between and
//    after. One lost user is enough: the node is seeded.

/** Few enough for one round of calls; all users of a small node. */
const sampleMax = 32;

export interface RecountContext {
  readonly db: Db;
  readonly lease: Lease;
  readonly open: OpenConnection;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** @returns the tag of an inbound that has lost users; the fault of the node that hides it */
export async function findLostInbound(
  { open, nowMs, ...rest }: RecountContext,
  { inbounds }: NodeFacts,
): Promise<string | Fault | undefined> {
  const { api, changes, recount } = open;
  if (!recount.startIfDue(nowMs)) return undefined;
  const context = { ...rest, api };
  for (const tag of inbounds) {
    const net = changes.getNet(tag);
    const counted = await toResult(() => api.countUsers(tag, { signal: context.signal }));
    if ('fault' in counted) {
      if (counted.fault.kind === 'transient') return counted.fault;
      // A node that cannot count, or lacks the inbound: the work and `node list` report it.
      recount.forget(tag);
      continue;
    }
    if (recount.explains(tag, counted.value, net)) continue;
    const lost = await hasLostUsers(context, tag);
    if (lost instanceof Fault) return lost;
    if (lost) return tag;
  }
  return undefined;
}

type SampleContext = Pick<RecountContext, 'db' | 'lease' | 'signal'> & { readonly api: NodeApi };

async function hasLostUsers(context: SampleContext, tag: string): Promise<boolean | Fault> {
  const { db, lease } = context;
  let candidates = await readConfirmedSample(db, lease.id, sampleMax);
  for (let times = 0; times < 2 && candidates.length > 0; times += 1) {
    const absent = await readAbsent(context, tag, candidates);
    if (absent instanceof Fault) return absent;
    if (absent.length === 0) return false;
    candidates = await filterConfirmed(db, lease.id, absent);
  }
  return candidates.length > 0;
}

/** @returns the credentials that the inbound lacks; none if the call fails permanently */
async function readAbsent(
  { api, signal }: SampleContext,
  tag: string,
  credentials: readonly ConfirmedCredential[],
): Promise<ConfirmedCredential[] | Fault> {
  const absent: ConfirmedCredential[] = [];
  const faults: Fault[] = [];
  await runConcurrently(credentials, sampleMax, async (credential) => {
    const name = formatUserName(credential.installation, credential.id);
    const found = await toResult(() => api.findUser(tag, name, { signal }));
    if ('fault' in found) faults.push(found.fault);
    else if (found.value === undefined) absent.push(credential);
  });
  return faults.find(({ kind }) => kind === 'transient') ?? absent;
}
