import { Fault } from '../../kernel/faults.ts';
import { foreignName, foreignText } from '../../kernel/foreign-text.ts';
import { isUserName, readCredentialId } from '../names.ts';
import {
  type Inbound,
  type InboundFront,
  listDeadlineMs,
  type NodeApi,
  type Patience,
  type UserProtocol,
} from '../port.ts';
import { ask, type Call, decoded, pieces } from './call.ts';
import type { NodeAddress } from './connect.ts';
import { type Connection, Connections } from './connections.ts';
import { accountFor, addUserType, paths, protocolOfInbound, removeUserType } from './contract.ts';
import { frontOf } from './front.ts';
import { Learned } from './learned.ts';
import { listMaxBytes, listUsersMax, named, slices } from './listing.ts';
import { garbage, type Refusal, saysAlreadyThere, saysNotThere, unknownInbound } from './status.ts';
import { wire } from './wire.js';

/** A node by gRPC. The first call connects. @throws Fault bad_address, node_certificate */
export function connectNode(address: NodeAddress): NodeApi {
  const { api } = address;
  const connections = new Connections(address);
  const memory = new Learned();

  const answerTo = async (call: Call, patience: Patience = {}) => {
    const answer = await ask(connections, call, patience);
    if ('bytes' in answer) return answer;
    throw new Error(`${call.path}: an answer that nobody expects`);
  };
  const bytesOf = async (call: Call, patience?: Patience): Promise<Buffer> =>
    (await answerTo(call, patience)).bytes;

  async function inbounds(patience?: Patience): Promise<readonly Inbound[]> {
    const request = wire.ListInboundsRequest.encode({}).finish();
    const call = { path: paths.listInbounds, request, maxBytes: inboundsMaxBytes };
    const { bytes, on } = await answerTo(call, patience);
    const read = decoded(api, wire.Inbounds, bytes).inbounds ?? [];
    const found = read.map(({ tag, proxySettings, receiverSettings }) =>
      inboundOf(
        foreignName(tag ?? ''),
        foreignText(proxySettings?.type ?? ''),
        frontOf(api, receiverSettings),
      ),
    );
    memory.keep(on, found);
    return found;
  }

  /** The account type of an inbound, as read on the present connection. */
  async function protocolOf(
    tag: string,
    patience?: Patience,
  ): Promise<{ readonly protocol: UserProtocol; readonly on: Connection }> {
    if (memory.known(connections.present) === undefined) await inbounds(patience);
    const known = memory.known(connections.present);
    if (known === undefined) {
      const sentence = `${api}: the connection broke while the inbounds were being read`;
      throw new Fault('transient', 'node_unreachable', sentence);
    }
    const inbound = known.byTag.get(tag);
    if (inbound === undefined) throw unknownInbound(api, tag);
    if (inbound.manages) return { protocol: inbound.protocol, on: known.on };
    const sentence = `${api}: the inbound "${tag}" is a ${inbound.type}; users are managed of VLESS, VMess and Trojan`;
    throw new Fault('permanent', 'no_user_manager', sentence);
  }

  /** True if the call changed the node; false if the node answered one of `expects`. */
  async function alter(
    tag: string,
    operation: wire.TypedMessage.$Shape,
    expects: (refusal: Refusal) => boolean,
    patience: Patience = {},
    on?: Connection,
  ): Promise<boolean> {
    const request = wire.AlterInboundRequest.encode({ tag, operation }).finish();
    const call = { path: paths.alterInbound, request, tag, expects };
    const answer = await ask(connections, on === undefined ? call : { ...call, on }, patience);
    if ('expected' in answer) return false;
    decoded(api, wire.Empty, answer.bytes);
    return true;
  }

  async function countUsers(tag: string, patience?: Patience): Promise<number> {
    const request = wire.InboundUserRequest.encode({ tag }).finish();
    const bytes = await bytesOf({ path: paths.getInboundUsersCount, request, tag }, patience);
    return whole(decoded(api, wire.InboundUsersCount, bytes).count);
  }

  return {
    inbounds,
    countUsers,
    async health(patience) {
      const request = wire.Empty.encode({}).finish();
      const bytes = await bytesOf({ path: paths.getSysStats, request }, patience);
      const { uptime, numGoroutine, alloc } = decoded(api, wire.SysStats, bytes);
      return { uptimeS: uptime ?? 0, goroutines: numGoroutine ?? 0, heapBytes: whole(alloc) };
    },
    async addUser(tag, { name, id, flow }, patience) {
      mustBeName(name);
      mustBeCredential(id);
      const { protocol, on } = await protocolOf(tag, patience);
      const user = { level: 0, email: name, account: accountFor(protocol, id, flow) };
      const value = wire.AddUserOperation.encode({ user }).finish();
      const done = await alter(tag, { type: addUserType, value }, saysAlreadyThere, patience, on);
      return done ? 'added' : 'already_there';
    },
    async removeUser(tag, name, patience) {
      mustBeSaid(name);
      const value = wire.RemoveUserOperation.encode({ email: name }).finish();
      const done = await alter(tag, { type: removeUserType, value }, saysNotThere, patience);
      return done ? 'removed' : 'not_there';
    },
    async findUser(tag, name, patience) {
      mustBeSaid(name);
      const request = wire.InboundUserRequest.encode({ tag, email: name }).finish();
      const call = { path: paths.getInboundUsers, request, tag };
      return named(api, name, await bytesOf(call, patience));
    },
    async *listUsers(tag, { deadlineMs, signal } = {}) {
      const heeded = signal === undefined ? {} : { signal };
      const answerMs = deadlineMs ?? listDeadlineMs(mustBeFew(api, await countUsers(tag, heeded)));
      const request = wire.InboundUserRequest.encode({ tag }).finish();
      const call = { path: paths.getInboundUsers, request, tag, maxBytes: listMaxBytes };
      yield* slices(api, pieces(connections, call, { ...heeded, deadlineMs: answerMs }));
    },
    connected: () => connections.opened,
    close: () => connections.close(),
  };
}

function inboundOf(tag: string, type: string, front: InboundFront | undefined): Inbound {
  const protocol = protocolOfInbound(type);
  if (protocol === undefined) return { tag, manages: false, type };
  return { tag, manages: true, protocol, ...(front && { front }) };
}

/** A node returns its configuration here, with the users of its file: 100 bytes each. */
const inboundsMaxBytes = 32 * 1_024 * 1_024;

/** Its deadline would be hours. @throws Fault node_garbage */
function mustBeFew(api: string, users: number): number {
  if (users >= 0 && users <= listUsersMax) return users;
  throw garbage(api, new Error(`${users} users on one inbound; expected at most ${listUsersMax}`));
}

/** 64-bit fields arrive as Long, against the generated types. The values are far below 2^53. */
function whole(value: unknown): number {
  return Number(value ?? 0);
}

function mustBeName(name: string): void {
  if (isUserName(name)) return;
  const sentence = `"${name}" is not a name for a node; lower-case <installation>-<credential> is`;
  throw new Fault('permanent', 'bad_name', sentence);
}

/** A call without a name would concern all users or none. */
function mustBeSaid(name: string): void {
  if (name !== '') return;
  throw new Fault(
    'permanent',
    'bad_name',
    'a user without a name can be neither found nor removed',
  );
}

function mustBeCredential(id: string): void {
  if (readCredentialId(id) !== undefined) return;
  // Not quoted in full, because the UUID opens the node.
  const sentence = `a credential of ${id.length} characters is no UUID of 36 in lower case; it was not sent`;
  throw new Fault('permanent', 'bad_credential', sentence);
}
