import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { flowOf } from '../../kernel/flow.ts';
import { linkMisfits } from '../../xray/link-fit.ts';
import { faultText, readShape } from '../../xray/link-settings.ts';
import type { NodeApi } from '../../xray/port.ts';
import { answerOf } from './answer.ts';
import type { Line } from './line.ts';
import { type NodeFacts, type Post, postLost, readNode, writeLinkError } from './node-store.ts';

// Whether anybody can be added to a node as it stands, and as the books have it: asked before the
// first add in each of its lives. Whoever is to go needs none of it: he is taken off every inbound
// that is there, and one that isn't there has nobody.

export interface Learning {
  readonly db: Db;
  readonly post: Post;
  readonly api: NodeApi;
  readonly line: Line;
  readonly signal: AbortSignal;
  /** Called if customers cannot connect by the link. Access is kept all the same. */
  warn(sentence: string): void;
}

/** @returns what is in the way: permanent, or what kept it from being found out */
export async function learn(learning: Learning): Promise<Fault | undefined> {
  const { db, post, api, line, signal } = learning;
  const facts = await readNode(db, post);
  if (facts === undefined) throw postLost(post);
  const askedMs = line.nowMs();
  const found = await answerOf(() => api.inbounds({ signal }));
  if ('fault' in found) return found.fault;
  line.heardAfter(line.nowMs() - askedMs);
  const link = readShape(facts.link);
  const ours = found.value.filter(({ tag }) => facts.inbounds.includes(tag));
  const misfits = 'faults' in link ? link.faults.map(faultText) : linkMisfits(link, ours);
  const linkError = misfits.join('; ') || null;
  if (linkError !== null) learning.warn(linkError);
  if (linkError !== facts.linkError) await writeLinkError(db, post, linkError);
  line.learnedFrom = frontKey(facts);
  return misfit(facts.api, facts.inbounds, found.value) ?? badFlow(facts.flow);
}

/** What is compared with the inbounds: after a change of it they are read again. */
export const frontKey = ({ link, inbounds }: Pick<NodeFacts, 'link' | 'inbounds'>): string =>
  JSON.stringify([link, inbounds]);

type Found = Awaited<ReturnType<NodeApi['inbounds']>>;

/** An inbound of the books that the node doesn't have, or that has no users to manage. */
function misfit(api: string, tags: readonly string[], found: Found): Fault | undefined {
  for (const tag of tags) {
    const inbound = found.find((each) => each.tag === tag);
    if (inbound === undefined) {
      const there = found.map((each) => each.tag).join(', ');
      const sentence = `${api}: there is no inbound "${tag}" on this node; there is ${there || 'none'}`;
      return new Fault('permanent', 'unknown_inbound', sentence);
    }
    if (!inbound.manages) {
      const sentence = `${api}: the inbound "${tag}" is a ${inbound.type}; users are managed of VLESS, VMess and Trojan`;
      return new Fault('permanent', 'no_user_manager', sentence);
    }
  }
  return undefined;
}

/** A flow of the customers' link that no node knows. */
export function badFlow(link: string | null): Fault | undefined {
  if (flowOf(link) !== undefined) return undefined;
  const sentence = `link.flow: "${link}" is none that a node knows; xtls-rprx-vision is, or none`;
  return new Fault('permanent', 'bad_flow', sentence);
}
