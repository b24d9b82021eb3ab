import type { CredentialId } from '../kernel/ids.ts';
import type { Flow } from './flow.ts';

// The API of a node. An outcome that needs no further work is a value. Everything else is a Fault:
//
// transient   node_unreachable  the call never reached the node, or the node is shutting down
//             node_lost         the connection broke after the call was sent; it is unknown if the
//                               node executed it, and the call may have crashed the node
//             node_deadline     no answer in time; it is unknown if the node executed the call
//             node_cancelled    the signal of the caller
// permanent   unknown_inbound   the node has no inbound of that tag
//             no_user_manager   the inbound's protocol is unsupported or has no users
//             node_too_old      the text names the required version
//             node_no_service   the API answers, but HandlerService or StatsService is not enabled
//             node_certificate  TLS: the certificate is wrong or unreadable
//             node_denied       a proxy before the node requires credentials
//             node_not_xray     the server is no Xray API
//             node_garbage      the answer is unreadable
//             node_refused      the node refused with an unknown text, which is quoted
//             bad_credential, bad_name, bad_address   the caller is wrong; nothing was sent

/** The protocols with managed users. Shadowsocks is not supported (docs/xray-facts.md). */
export type UserProtocol = 'vless' | 'vmess' | 'trojan';

export interface Health {
  /** Whole seconds since the start of the node's API. A smaller value means a restart. */
  readonly uptimeS: number;
  readonly goroutines: number;
  readonly heapBytes: number;
}

/** The settings of an inbound that a client needs. Keys are never stored. */
export interface InboundStream {
  /** Xray's name: tcp, websocket, grpc, splithttp, httpupgrade. */
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
      /** Missing if the node does not return it. */
      readonly stream?: InboundStream;
    }
  /** `type` is the node's own, such as `xray.proxy.dokodemo.Config`. */
  | { readonly tag: string; readonly manages: false; readonly type: string };

export interface NodeUser {
  /** `<installation>-<credential>`, lower case (`formatUserName`). */
  readonly name: string;
  readonly id: CredentialId;
  readonly flow: Flow;
}

export interface ListedUser {
  /** In lower case, because nodes ignore the case of names. Empty: a user without a name. */
  readonly name: string;
  /** The UUID of the user. Passwords of other programs are not returned. */
  readonly id: CredentialId | undefined;
  /** The node's value: `''`, `xtls-rprx-vision`, or a value of another program. */
  readonly flow: string;
}

export type AddResult = 'added' | 'already_there';
export type RemoveResult = 'removed' | 'not_there';

export interface CallOptions {
  /** The deadline of the answer; each method has a default. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** The API of a node. The client repeats no call. @throws Fault as listed above */
export interface NodeApi {
  readHealth(options?: CallOptions): Promise<Health>;
  /** Reads the inbounds again. Every later `addUser` uses the result. */
  readInbounds(options?: CallOptions): Promise<readonly Inbound[]>;
  /**
   * Adds a user. A user of the same name stays unchanged, also with another UUID. Reads the
   * protocol of the inbound first if this connection has not: an account of the wrong protocol
   * crashes the node.
   */
  addUser(tag: string, user: NodeUser, options?: CallOptions): Promise<AddResult>;
  /**
   * Removes a user by name. Another name with the same UUID loses access too (docs/xray-facts.md).
   * Accepts every name except an empty one: the caller has read a foreign name on this node.
   */
  removeUser(tag: string, name: string, options?: CallOptions): Promise<RemoveResult>;
  /**
   * All users of an inbound at one time, in slices, in no order. The response is read as fast as
   * the caller takes slices, and never held as a whole. The deadline covers all slices and the
   * caller's work (default: `computeListDeadlineMs` of the node's count).
   */
  listUsers(tag: string, options?: CallOptions): AsyncIterable<readonly ListedUser[]>;
  /** The user with this name; undefined: none. */
  findUser(tag: string, name: string, options?: CallOptions): Promise<ListedUser | undefined>;
  countUsers(tag: string, options?: CallOptions): Promise<number>;
  /** The number of opened connections. It grows after a break, for example by a restart. */
  countConnections(): number;
  /** Closes the connection. Pending calls are lost. */
  close(): void;
}

/** 20 s, and 20 s for each 100,000 users (design, reconcile-xray-state). */
export function computeListDeadlineMs(users: number): number {
  return 20_000 + Math.ceil(users / 100_000) * 20_000;
}
