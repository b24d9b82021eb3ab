import type { Flow } from '../kernel/flow.ts';
import type { CredentialId } from '../kernel/ids.ts';

// What we ask of a node. Outcomes that are as good as done are values; everything else is a Fault:
//
// transient   node_unreachable  the call never reached the node, or the node is shutting down
//             node_lost         the connection broke after the call had left: whether it was
//                               carried out isn't known, and the call may be what killed the node
//             node_deadline     no answer in time: whether it was carried out isn't known
//             node_cancelled    the caller's signal
// permanent   unknown_inbound   the node has no inbound of that tag
//             no_user_manager   the inbound's protocol can't manage users, or isn't one of ours
//             node_too_old      says which version is needed
//             node_no_service   the API answers, but HandlerService or StatsService is not enabled
//             node_certificate  TLS: a certificate that doesn't fit, or that can't be read
//             node_denied       something in front of the node wants credentials that we don't have
//             node_not_xray     what answers is no Xray API
//             node_garbage      an answer that can't be read
//             node_refused      the node says no in words that we don't know; it quotes them
//             bad_credential, bad_name, bad_address   ours to mend; nothing was sent

/** The protocols whose users we manage. Shadowsocks is not among them (XRAY.md 2). */
export type UserProtocol = 'vless' | 'vmess' | 'trojan';

export interface Health {
  /** Whole seconds since the node's API began: one that falls is a restart. */
  readonly uptimeS: number;
  readonly goroutines: number;
  readonly heapBytes: number;
}

/** What a client meets at an inbound. It has no keys: they are never kept. */
export interface InboundFront {
  /** As Xray names it: tcp, websocket, grpc, splithttp, httpupgrade. */
  readonly network: string;
  readonly security: 'none' | 'tls' | 'reality';
  /** Of REALITY; of TLS those of its certificates, if the node returns them. */
  readonly serverNames: readonly string[];
  /** Of REALITY: 16 hex digits. */
  readonly shortIds: readonly string[];
}

export type Inbound =
  | {
      readonly tag: string;
      readonly manages: true;
      readonly protocol: UserProtocol;
      /** Not there if the node does not return it. */
      readonly front?: InboundFront;
    }
  /** `type` as the node has it, such as `xray.proxy.dokodemo.Config`. */
  | { readonly tag: string; readonly manages: false; readonly type: string };

export interface NodeUser {
  /** `<installation>-<credential>`, lower case (`userName`). */
  readonly name: string;
  readonly id: CredentialId;
  readonly flow: Flow;
}

export interface ListedUser {
  /** Lower-cased: to the node, names that differ in case alone are one. Empty: one without a name. */
  readonly name: string;
  /** What opens the node, if it is a UUID; a password of somebody else's is not handed on. */
  readonly id: CredentialId | undefined;
  /** As the node has it: `''`, `xtls-rprx-vision`, or what somebody else wrote there. */
  readonly flow: string;
}

export type Added = 'added' | 'already_there';
export type Removed = 'removed' | 'not_there';

export interface Patience {
  /** How long an answer may take; each method has a default. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** A node's API. No call is repeated by the client; @throws Fault as listed above. */
export interface NodeApi {
  health(patience?: Patience): Promise<Health>;
  /** Asks anew, and what it learns counts for every later `addUser`. */
  inbounds(patience?: Patience): Promise<readonly Inbound[]>;
  /**
   * Adds a user whose name is new there: one that exists stays as it is, also with another UUID.
   * Learns the inbound's protocol first wherever this connection hasn't: an account of the wrong
   * protocol kills the node.
   */
  addUser(tag: string, user: NodeUser, patience?: Patience): Promise<Added>;
  /**
   * Takes the name's UUID away, also from another name that has the same one (XRAY.md 2). Any name
   * but an empty one: whoever asks for somebody else's removal has seen it on this node.
   */
  removeUser(tag: string, name: string, patience?: Patience): Promise<Removed>;
  /**
   * Every user of an inbound as of one moment, in slices, in no order. The answer is read while it
   * comes, as fast as slices are taken, and never held as a whole. The deadline (default:
   * `listDeadlineMs` of the node's own count) is for all of it, with what is done with its slices.
   */
  listUsers(tag: string, patience?: Patience): AsyncIterable<readonly ListedUser[]>;
  /** Who has this name there; undefined: nobody. */
  findUser(tag: string, name: string, patience?: Patience): Promise<ListedUser | undefined>;
  countUsers(tag: string, patience?: Patience): Promise<number>;
  /** How many connections were opened so far. One more: the one before broke, as a restart does it. */
  connected(): number;
  /** Ends the connection; calls that are under way are lost. */
  close(): void;
}

/** 20 s, and 20 s for each 100,000 users (DESIGN.md 5). */
export function listDeadlineMs(users: number): number {
  return 20_000 + Math.ceil(users / 100_000) * 20_000;
}
