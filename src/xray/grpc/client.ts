import { Fault } from '../../kernel/faults.ts';
import { foreignName, foreignText } from '../../kernel/foreign-text.ts';
import {
  type CallOptions,
  computeListDeadlineMs,
  type Inbound,
  type InboundStream,
  type NodeApi,
  type UserProtocol,
} from '../port.ts';
import { isUserName, tryParseCredentialId } from '../user-names.ts';
import { decodeMessage, sendCall, streamResponse, type UnaryCall } from './call.ts';
import type { NodeAddress } from './connect.ts';
import { type NodeConnection, NodeConnections } from './connections.ts';
import {
  addUserType,
  encodeAccount,
  methodPaths,
  removeUserType,
  toInboundProtocol,
} from './contract.ts';
import { InboundCache } from './inbound-cache.ts';
import { parseInboundStream } from './inbound-stream.ts';
import { listMaxBytes, listUsersMax, parseFoundUser, parseUserList } from './listing.ts';
import {
  createNodeGarbageFault,
  createUnknownInboundFault,
  isUserMissing,
  isUserPresent,
  type NodeRefusal,
} from './status.ts';
import { wire } from './wire.js';

/** A node by gRPC. The first call connects. @throws Fault bad_address, node_certificate */
export function connectNode(address: NodeAddress): NodeApi {
  const { api } = address;
  const connections = new NodeConnections(address);
  const cache = new InboundCache();

  const requireResponse = async (call: UnaryCall, options: CallOptions = {}) => {
    const response = await sendCall(connections, call, options);
    if ('bytes' in response) return response;
    throw new Error(`${call.path}: an unexpected answer`);
  };
  const readBytes = async (call: UnaryCall, options?: CallOptions): Promise<Buffer> =>
    (await requireResponse(call, options)).bytes;

  async function readInbounds(options?: CallOptions): Promise<readonly Inbound[]> {
    const request = wire.ListInboundsRequest.encode({}).finish();
    const call = { path: methodPaths.listInbounds, request, maxBytes: inboundsMaxBytes };
    const { bytes, connection } = await requireResponse(call, options);
    const listed = decodeMessage(api, wire.Inbounds, bytes).inbounds ?? [];
    const listedInbounds = listed.map(({ tag, proxySettings, receiverSettings }) =>
      toInbound(
        foreignName(tag ?? ''),
        foreignText(proxySettings?.type ?? ''),
        parseInboundStream(api, receiverSettings),
      ),
    );
    cache.store(connection, listedInbounds);
    return listedInbounds;
  }

  /** The account type of an inbound, as read on the present connection. */
  async function readProtocol(
    tag: string,
    options?: CallOptions,
  ): Promise<{ readonly protocol: UserProtocol; readonly on: NodeConnection }> {
    if (cache.find(connections.current) === undefined) await readInbounds(options);
    const cached = cache.find(connections.current);
    if (cached === undefined) {
      const sentence = `${api}: the connection broke while the inbounds were read`;
      throw new Fault('transient', 'node_unreachable', sentence);
    }
    const inbound = cached.byTag.get(tag);
    if (inbound === undefined) throw createUnknownInboundFault(api, tag);
    if (inbound.manages) return { protocol: inbound.protocol, on: cached.connection };
    const sentence = `${api}: the inbound "${tag}" is a ${inbound.type}; expected VLESS, VMess or Trojan`;
    throw new Fault('permanent', 'no_user_manager', sentence);
  }

  /** True if the call changed the node; false if the node answered one of `expects`. */
  async function alter(
    tag: string,
    operation: wire.TypedMessage.$Shape,
    isExpected: (refusal: NodeRefusal) => boolean,
    options: CallOptions = {},
    connection?: NodeConnection,
  ): Promise<boolean> {
    const request = wire.AlterInboundRequest.encode({ tag, operation }).finish();
    const call = { path: methodPaths.alterInbound, request, tag, isExpected };
    const response = await sendCall(
      connections,
      connection === undefined ? call : { ...call, connection },
      options,
    );
    if ('expected' in response) return false;
    decodeMessage(api, wire.Empty, response.bytes);
    return true;
  }

  async function countUsers(tag: string, options?: CallOptions): Promise<number> {
    const request = wire.InboundUserRequest.encode({ tag }).finish();
    const bytes = await readBytes(
      { path: methodPaths.getInboundUsersCount, request, tag },
      options,
    );
    return toNumber(decodeMessage(api, wire.InboundUsersCount, bytes).count);
  }

  return {
    readInbounds,
    countUsers,
    async readHealth(options) {
      const request = wire.Empty.encode({}).finish();
      const bytes = await readBytes({ path: methodPaths.getSysStats, request }, options);
      const { uptime, numGoroutine, alloc } = decodeMessage(api, wire.SysStats, bytes);
      return { uptimeS: uptime ?? 0, goroutines: numGoroutine ?? 0, heapBytes: toNumber(alloc) };
    },
    async addUser(tag, { name, id, flow }, options) {
      requireUserName(name);
      requireCredentialId(id);
      const { protocol, on: connection } = await readProtocol(tag, options);
      const user = { level: 0, email: name, account: encodeAccount(protocol, id, flow) };
      const value = wire.AddUserOperation.encode({ user }).finish();
      const hasChanged = await alter(
        tag,
        { type: addUserType, value },
        isUserPresent,
        options,
        connection,
      );
      return hasChanged ? 'added' : 'already_there';
    },
    async removeUser(tag, name, options) {
      requireSomeName(name);
      const value = wire.RemoveUserOperation.encode({ email: name }).finish();
      const hasChanged = await alter(tag, { type: removeUserType, value }, isUserMissing, options);
      return hasChanged ? 'removed' : 'not_there';
    },
    async findUser(tag, name, options) {
      requireSomeName(name);
      const request = wire.InboundUserRequest.encode({ tag, email: name }).finish();
      const call = { path: methodPaths.getInboundUsers, request, tag };
      return parseFoundUser(api, name, await readBytes(call, options));
    },
    async *listUsers(tag, { deadlineMs, signal } = {}) {
      const signalOption = signal === undefined ? {} : { signal };
      const answerMs =
        deadlineMs ??
        computeListDeadlineMs(requireListable(api, await countUsers(tag, signalOption)));
      const request = wire.InboundUserRequest.encode({ tag }).finish();
      const call = { path: methodPaths.getInboundUsers, request, tag, maxBytes: listMaxBytes };
      yield* parseUserList(
        api,
        streamResponse(connections, call, { ...signalOption, deadlineMs: answerMs }),
      );
    },
    countConnections: () => connections.openedCount,
    close: () => connections.close(),
  };
}

function toInbound(tag: string, type: string, stream: InboundStream | undefined): Inbound {
  const protocol = toInboundProtocol(type);
  if (protocol === undefined) return { tag, manages: false, type };
  return { tag, manages: true, protocol, ...(stream && { stream }) };
}

/** A node returns its configuration here, with the users of its file: 100 bytes each. */
const inboundsMaxBytes = 32 * 1_024 * 1_024;

/** Its deadline would be hours. @throws Fault node_garbage */
function requireListable(api: string, users: number): number {
  if (users >= 0 && users <= listUsersMax) return users;
  throw createNodeGarbageFault(
    api,
    new Error(`${users} users on one inbound; expected at most ${listUsersMax}`),
  );
}

/** 64-bit fields arrive as Long, against the generated types. The values are far below 2^53. */
function toNumber(value: unknown): number {
  return Number(value ?? 0);
}

function requireUserName(name: string): void {
  if (isUserName(name)) return;
  const sentence = `"${name}" is not a name for a node; expected <installation>-<credential> in lower case`;
  throw new Fault('permanent', 'bad_name', sentence);
}

/** A call without a name would concern all users or none. */
function requireSomeName(name: string): void {
  if (name !== '') return;
  throw new Fault(
    'permanent',
    'bad_name',
    'a user without a name can be neither found nor removed',
  );
}

function requireCredentialId(id: string): void {
  if (tryParseCredentialId(id) !== undefined) return;
  // Not quoted in full, because the UUID opens the node.
  const sentence = `a credential of ${id.length} characters is not a UUID; expected 36 characters in lower case`;
  throw new Fault('permanent', 'bad_credential', sentence);
}
