import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import type { NodeApi } from '../../xray/port.ts';
import { Bell, graceAfter } from '../bell.ts';
import { Fence } from '../fence.ts';
import { release } from '../quarantine.ts';
import { Hands, type Turn } from './hands.ts';
import { learn } from './learning.ts';
import { type Connect, Line } from './line.ts';
import { holdsPost, type Post, postLost, seedStretch, writeError } from './node-store.ts';
import { probe } from './probe.ts';
import { atOnceFor, suspectsMax } from './rule.ts';
import {
  itemOf,
  type Page,
  putOff,
  readPage,
  settle,
  type Which,
  keepNode as worker,
} from './store.ts';
import { readStrays, settleStrays } from './stray-store.ts';
import { straysMax, workOffStrays } from './strays.ts';
import { Suspicion } from './suspicion.ts';
import { type Worked, workOff } from './work.ts';

// The keeper of one node: two loops of its own, so that no other node waits for this one. One
// probes; the other works off marks, page after page with two hands, and fills the node again after
// it was started. It ends with the signal, or when somebody else has become the node's keeper.

export interface KeeperLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface KeeperOptions {
  readonly db: Db;
  readonly post: Post;
  readonly connect: Connect;
  readonly signal: AbortSignal;
  readonly log: KeeperLog;
  readonly probeMs?: number;
  /** How often marks are looked for without being told of them. */
  readonly pollMs?: number;
  /** A clock that only goes forward; ms. */
  readonly nowMs?: () => number;
}

export interface Keeper {
  /** Never rejects. */
  readonly done: Promise<void>;
  /** There may be marks. */
  wake(): void;
}

/**
 * What calls that are under way get to end when the keeper does. One that is given up may arrive
 * after its successor has told the node something else, and nobody would know.
 */
const callGraceMs = secondMs;

const saidOf = {
  returned: 'node is well',
  started: 'node was started: it is filled',
  unsure: 'node may have been started: it is filled',
  lost: 'an inbound lost users while the node ran: the node is filled',
} as const;

/** Marks read at once: a new removal waits for no more than the calls of these, in each hand. */
const pageMax = 512;

export function startKeeper(options: KeeperOptions): Keeper {
  const { db, post, log, probeMs = 2 * secondMs, pollMs = 2 * secondMs } = options;
  const lost = new AbortController();
  const signal = AbortSignal.any([options.signal, lost.signal]);
  const ended = new AbortController();
  const calls = graceAfter(signal, callGraceMs, ended.signal);
  const line = new Line(options.connect, options.nowMs);
  const fence = new Fence({ holds: () => holdsPost(db, post), lost: () => postLost(post) });
  const marks = new Bell();
  const health = new Bell();
  const hands = new Hands();
  const suspicion = new Suspicion(db, post);
  const about = { worker, node: post.node };

  async function look(): Promise<'idle'> {
    const asked = suspicion.open;
    const probed = await probe({ db, post, line, signal });
    if (probed.is === 'untold') return 'idle';
    if (probed.is === 'failed') {
      // The third one opens the breaker; the ones after it say nothing new.
      const { fault, failures } = probed;
      const level = failures === 1 || failures === 3 ? 'warn' : 'debug';
      log[level]({ ...about, code: fault.code, failures }, fault.message);
      return 'idle';
    }
    await suspicion.judge(asked, { bornByMs: probed.bornByMs, life: line.life });
    if (probed.is === 'well') return 'idle';
    if (probed.is === 'lost') log.warn({ ...about, inbound: probed.tag }, saidOf.lost);
    else log.info(about, saidOf[probed.is]);
    marks.ring();
    return 'idle';
  }

  async function work(): Promise<'idle'> {
    await hands.work(signal, step);
    return 'idle';
  }

  async function step(turn: Turn): Promise<'more' | 'idle'> {
    const api = line.workable();
    if (api === undefined) return 'idle';
    const page = await nextPage(api);
    if (page === 'more' || page === 'idle') return page;
    const letGo = hands.take(page.marks.map(({ credentialId }) => credentialId));
    // After the last ones there is nothing to look for. Those are short pages, and suspects, who go
    // with nothing else under way.
    if (page.marks.length === pageMax) turn.pass();
    try {
      return await workPage(api, page);
    } finally {
      letGo();
    }
  }

  async function nextPage(api: NodeApi): Promise<Page | 'more' | 'idle'> {
    if (!(await mayWork(api))) return 'idle';
    if (!line.learned) return nextRemovals();
    const filling = !line.seeded && (await fill());
    const page = await read(pageMax, 'others');
    if (page === undefined) return 'idle';
    if (page.marks.length > 0) return page;
    if (hands.inHand.length > 0) {
      // What the other hand is at may be marked again.
      await hands.empty();
      return 'more';
    }
    if (page.hasStrays) return clear(api, page);
    if (filling) return 'more';
    if (!page.hasSuspects || suspicion.open.length > 0) return 'idle';
    const suspects = await read(suspectsMax, 'suspects');
    if (suspects === undefined) return 'idle';
    // One of them may have been marked for something else meanwhile.
    return suspects.marks.length > 0 ? suspects : 'more';
  }

  /** Where nobody can be added: who is urgent, and all as often as that is found out. */
  async function nextRemovals(): Promise<Page | 'idle'> {
    await hands.empty();
    const page = await read(pageMax, line.allGo ? 'removals' : 'urgent_removals');
    if (page === undefined) return 'idle';
    if (page.marks.length < pageMax) line.allGo = false;
    return page.marks.length === 0 ? 'idle' : page;
  }

  /** @returns undefined: they are meant for a node at another address, which the next probe finds */
  async function read(max: number, which: Which): Promise<Page | undefined> {
    const page = await readPage(db, post, max, { which, inHand: hands.inHand });
    if (page === undefined) throw postLost(post);
    if (line.leadsTo(page.api)) return page;
    health.ring();
    return undefined;
  }

  async function workPage(api: NodeApi, page: Page): Promise<'more' | 'idle'> {
    const { rests, life } = line;
    const fromMs = line.nowMs();
    const atOnce = atOnceFor(line.roundTripMs);
    const worked = await workOff({ api, page, atOnce, fence, signal, calls });
    await book(page, worked);
    suspicion.note(worked.settled, { fromMs, life });
    return afterwards(worked.stopped, rests);
  }

  /** Removes names that were confirmed, when no mark is due: who lost by it is marked, and is next. */
  async function clear(api: NodeApi, page: Page): Promise<'more' | 'idle'> {
    const { rests } = line;
    const { now } = page;
    const inbounds = [...page.inbounds, ...page.formerInbounds];
    const strays = await readStrays(db, post, straysMax);
    const work = { db, post, api, now, inbounds, fence, signal, calls };
    const { settled, stopped } = await workOffStrays(work, strays);
    await inTransaction(db, (tx) => settleStrays(tx, post, settled, now));
    return afterwards(stopped, rests);
  }

  /** @param rests how often the work had come to rest when it began */
  async function afterwards(stopped: Worked['stopped'], rests: number): Promise<'more' | 'idle'> {
    // The other hand may have met the same failure before.
    const isNew = line.rests === rests;
    if (stopped === undefined) {
      if (isNew) line.worked();
      return 'more';
    }
    const { fault, by } = stopped;
    if (by === 'fence') throw fault;
    if (isNew) await rest(fault);
    return 'idle';
  }

  /** @returns whether the work goes on, be it with removals alone */
  async function mayWork(api: NodeApi): Promise<boolean> {
    if (line.learned || line.isHindered()) return true;
    const warn = (sentence: string) =>
      log.warn(
        { ...about, code: 'link_misfit' },
        `customers cannot connect by the link: ${sentence}`,
      );
    const fault = await learn({ db, post, api, line, signal, warn });
    if (fault?.kind === 'permanent') {
      log.warn({ ...about, code: fault.code, err: fault }, `nobody is added: ${fault.message}`);
      await writeError(db, post, fault.message);
    } else if (fault !== undefined) {
      await rest(fault);
      return false;
    }
    line.learn(fault);
    return true;
  }

  /** Marks a stretch of those who may connect. @returns whether there is more to mark */
  async function fill(): Promise<boolean> {
    const { bootAt } = line;
    if (bootAt === undefined) return false;
    if (line.fillsAnew) {
      await hands.empty();
      line.fillsAnew = false;
    }
    const filled = await inTransaction(db, async (tx) =>
      seedStretch(tx, post, bootAt, await readClock(tx)),
    );
    // Started once more, or somebody else's: the next probe says which.
    if (filled === undefined) return false;
    log.info({ ...about, ...filled }, 'who may connect is marked');
    line.seeded = filled.done;
    line.hasAdded = true;
    return !filled.done;
  }

  async function book(page: Page, { settled, held }: Worked): Promise<void> {
    if (held.length > 0) await inTransaction(db, (tx) => putOff(tx, post, held, page.now));
    await inTransaction(db, async (tx) => {
      await settle(tx, post, page.bootAt, settled, page.now);
      const mended = settled.filter(({ mark, failed }) => mark.lost > 0 && failed === undefined);
      const items = mended.map(({ mark }) => itemOf(post.node, mark));
      await release(tx, worker, items);
    });
    for (const { mark, failed } of settled) {
      if (failed === undefined) {
        if (mark.wanted) line.hasAdded = true;
        continue;
      }
      const item = itemOf(post.node, mark);
      log.debug({ ...about, item, attempts: mark.attempts + 1 }, failed.error);
    }
  }

  async function rest(fault: Fault): Promise<void> {
    if (fault.code === 'node_cancelled' && signal.aborted) return;
    const level = fault.kind === 'bug' ? 'error' : 'warn';
    log[level]({ ...about, code: fault.code, err: fault }, `work rests: ${fault.message}`);
    line.failed(fault);
    await writeError(db, post, fault.message);
  }

  async function loop(bell: Bell, everyMs: number, turn: () => Promise<'more' | 'idle'>) {
    while (!signal.aborted) {
      try {
        if ((await turn()) === 'more') continue;
      } catch (error) {
        const fault = faultOf(error);
        if (fault.code === 'post_lost') {
          log.info(about, fault.message);
          lost.abort();
          return;
        }
        const level = fault.kind === 'transient' ? 'warn' : 'error';
        log[level]({ ...about, code: fault.code, err: fault }, `keeper: ${fault.message}`);
      }
      const restMs = bell === marks ? line.restMs() : 0;
      await bell.wait(restMs > 0 ? Math.min(restMs, everyMs) : everyMs, signal);
    }
  }

  const loops = [loop(health, probeMs, look), loop(marks, pollMs, work)];
  return {
    done: Promise.all(loops).then(() => {
      line.close();
      ended.abort();
    }),
    wake: () => marks.ring(),
  };
}
