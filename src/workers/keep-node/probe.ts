import { readServerTime } from '../../db/clock.ts';
import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import type { NodeApi } from '../../xray/port.ts';
import { answerOf } from './answer.ts';
import { frontKey } from './learning.ts';
import type { Line } from './line.ts';
import {
  countConfirmed,
  type NodeFacts,
  type Post,
  postLost,
  readNode,
  writeProbe,
} from './node-store.ts';
import { findLoss } from './recount.ts';
import { type Boot, bootOf, bornBy, breakerAfter, hasForgotten, hasNobody } from './rule.ts';

// How a node is, asked every 2 s whatever its breaker says: a node that returns is found by this.

/** A node that takes longer to say that it lives is of no use now. */
const deadlineMs = 3 * secondMs;

export interface Probing {
  readonly db: Db;
  readonly post: Post;
  readonly line: Line;
  readonly signal: AbortSignal;
}

/** What the probe told, for whoever logs it. */
export type Probed =
  /** It lives on; `started`: another life; `unsure`: it may be, and is filled in any case. */
  | {
      readonly is: 'well' | 'returned' | 'started' | 'unsure';
      /** By then it had begun, as this probe alone tells; by `Line.nowMs`. */
      readonly bornByMs: number;
    }
  /** It lives on, but this inbound has lost users, so the node is filled. */
  | { readonly is: 'lost'; readonly tag: string; readonly bornByMs: number }
  /** Nothing: the keeper ends, or the node is another one by now. */
  | { readonly is: 'untold' }
  | { readonly is: 'failed'; readonly fault: Fault; readonly failures: number };

/** @throws Fault `post_lost`, or what the database did; a fault of the node is its outcome */
export async function probe({ db, post, line, signal }: Probing): Promise<Probed> {
  const facts = await readNode(db, post);
  if (facts === undefined) throw postLost(post);
  const fromMs = line.nowMs();
  const told = await answerOf(() => line.to(facts).health({ deadlineMs, signal }));
  if ('fault' in told) return failed(db, post, line, facts, told.fault);
  const asked = { fromMs, toMs: line.nowMs() };
  line.heardAfter(asked.toMs - fromMs);
  const { uptimeS } = told.value;
  const api = line.to(facts);
  const connected = api.connected();
  // Whoever starts a node breaks its connection, also where uptime doesn't tell.
  const wasAway = line.wasAway || (line.lastConnected ?? connected) !== connected;
  const boot = bootOf(
    { bootAt: facts.bootAt, lastUptimeS: line.lastUptimeS, wasAway, born: line.born },
    uptimeS,
    asked,
    await readServerTime(db),
  );
  const known = await lifeOf(db, post, api, facts, boot, signal);
  if (typeof known !== 'string') return failed(db, post, line, facts, known);
  // Users of a filling that is under way are missing for a while.
  const isFilled = known === 'same' && facts.bootAt !== null && facts.seededBootAt === facts.bootAt;
  const lost = isFilled ? await findLoss({ db, post, line, api, signal }, facts) : undefined;
  if (lost instanceof Fault) return failed(db, post, line, facts, lost);
  // The boot is the same, so an add that broke off is not suspected.
  const life = lost === undefined ? known : 'unsure';
  const forgotten = life !== 'same';

  const isNew = boot.is === 'new';
  const { hasAdded } = line;
  line.hasAdded = false;
  const seen = { at: facts.now, bootAt: boot.bootAt, forgotten, isNew, uptimeS, hasAdded };
  const closed = breakerAfter(facts.failures, 'well', facts.now);
  const lastError = line.workError;
  // Not written: the next probe learns why.
  if (!(await writeProbe(db, post, facts.api, { ...closed, lastError, now: facts.now, seen })))
    return { is: 'untold' };
  const before = line.reachable;
  const { seededBootAt, bootAt } = facts;
  Object.assign(line, {
    reachable: true,
    wasAway: false,
    lastUptimeS: uptimeS,
    lastConnected: connected,
    born: boot.born,
    bootAt: boot.bootAt,
    life: line.life + (life === 'new' ? 1 : 0),
    seeded: !forgotten && seededBootAt !== null && seededBootAt === bootAt,
    fillsAnew: line.fillsAnew || forgotten,
    learned: line.learned && !forgotten && line.learnedFrom === frontKey(facts),
    hindrance: forgotten ? undefined : line.hindrance,
  });
  const bornByMs = bornBy(uptimeS, asked).toMs;
  if (lost !== undefined) return { is: 'lost', tag: lost, bornByMs };
  if (forgotten) return { is: life === 'new' ? 'started' : 'unsure', bornByMs };
  return { is: before ? 'well' : 'returned', bornByMs };
}

/**
 * Whether the node was started since, and so has forgotten its users; the fault that kept it from
 * being found out. One that can't count them, because it is too old or has none of these inbounds, is
 * filled again to be sure.
 */
async function lifeOf(
  db: Db,
  post: Post,
  api: NodeApi,
  { inbounds }: NodeFacts,
  { is }: Boot,
  signal: AbortSignal,
): Promise<'same' | 'new' | 'unsure' | Fault> {
  if (is !== 'doubtful') return is;
  const asked = await Promise.all(
    inbounds.map((tag) => answerOf(() => api.countUsers(tag, { signal }))),
  );
  const faults = asked.flatMap((each) => ('fault' in each ? [each.fault] : []));
  const passing = faults.find(({ kind }) => kind === 'transient');
  if (passing !== undefined) return passing;
  const counts = asked.flatMap((each) => ('value' in each ? [each.value] : []));
  // An inbound that isn't there says nothing of those on the others.
  if (counts.length === 0 || !faults.every(hasNobody)) return 'unsure';
  return hasForgotten(counts, await countConfirmed(db, post.node)) ? 'new' : 'same';
}

async function failed(
  db: Db,
  post: Post,
  line: Line,
  { now, api, failures }: NodeFacts,
  fault: Fault,
): Promise<Probed> {
  // Our own end is no fault of the node's.
  if (fault.code === 'node_cancelled') return { is: 'untold' };
  Object.assign(line, { reachable: false, wasAway: true, learned: false });
  const breaker = breakerAfter(failures, 'failed', now);
  await writeProbe(db, post, api, { ...breaker, lastError: fault.message, now });
  return { is: 'failed', fault, failures: breaker.failures };
}
