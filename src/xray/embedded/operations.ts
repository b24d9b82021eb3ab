import { status } from '@grpc/grpc-js';
import {
  accountTypes,
  addUserType,
  inboundTypes,
  type MethodPath,
  methodPaths,
  removeUserType,
} from '../grpc/contract.ts';
import { wire } from '../grpc/wire.js';
import type { UserProtocol } from '../port.ts';
import { EmbeddedInbound, type NodeAccount, parseAccount, type StoredUser } from './inbound.ts';
import { Panic, XrayError } from './xray-error.ts';

// Each method, from bytes to bytes. The checks have the order of Xray, which decides between
// several possible errors.

export interface InboundConfig {
  readonly tag: string;
  /** `door`: an inbound without users, like dokodemo-door. */
  readonly protocol: UserProtocol | 'door';
}

/** One boot of a node, from its start to its end. */
export class NodeBoot {
  readonly #inbounds: Map<string, EmbeddedInbound | 'door'>;
  readonly #uptimeMs: () => number;

  constructor(inbounds: readonly InboundConfig[], uptimeMs: () => number) {
    this.#inbounds = new Map(
      inbounds.map(({ tag, protocol }) => [
        tag,
        protocol === 'door' ? protocol : new EmbeddedInbound(protocol),
      ]),
    );
    this.#uptimeMs = uptimeMs;
  }

  /** The inbound, if it has users. For tests that read without a call. */
  inbound(tag: string): EmbeddedInbound | undefined {
    const found = this.#inbounds.get(tag);
    return found === 'door' ? undefined : found;
  }

  /** Adds the inbound again, without users. */
  recreateInbound(tag: string): void {
    const found = this.inbound(tag);
    if (found !== undefined) this.#inbounds.set(tag, new EmbeddedInbound(found.protocol));
  }

  /** @throws Refusal, or Panic, which ends this boot */
  handle(path: MethodPath, request: Uint8Array): Uint8Array {
    switch (path) {
      case methodPaths.alterInbound:
        return this.#alter(decodeRequest(wire.AlterInboundRequest, request));
      case methodPaths.listInbounds:
        return this.#list(decodeRequest(wire.ListInboundsRequest, request));
      case methodPaths.getInboundUsers: {
        const { tag, email } = decodeRequest(wire.InboundUserRequest, request);
        return encodeUsers(this.#requireManaged(tag), email);
      }
      case methodPaths.getInboundUsersCount: {
        const { tag } = decodeRequest(wire.InboundUserRequest, request);
        return wire.InboundUsersCount.encode({ count: this.#requireManaged(tag).count() }).finish();
      }
      case methodPaths.getSysStats: {
        const uptime = Math.floor(this.#uptimeMs() / 1_000);
        return wire.SysStats.encode({ uptime, numGoroutine: 1, alloc: 1 }).finish();
      }
      case methodPaths.getStats: {
        const { name } = decodeRequest(wire.StatRequest, request);
        throw new XrayError(`${name} not found.`, status.NOT_FOUND);
      }
    }
  }

  #alter({ tag, operation }: wire.AlterInboundRequest.$Shape): Uint8Array {
    if (operation == null) throw new Panic('no operation');
    const { type = '', value } = operation;
    if (type !== addUserType && type !== removeUserType) {
      throw new XrayError(
        Object.values<string | null>(accountTypes).includes(type)
          ? 'app/proxyman/command: not an inbound operation'
          : 'app/proxyman/command: unknown operation > proto: not found',
      );
    }
    const bytes = value ?? new Uint8Array();
    if (type === addUserType) {
      const { user } = decodeOperation(wire.AddUserOperation, bytes);
      const inbound = this.#requireManaged(tag ?? '');
      inbound.add(toStoredUser(user));
    } else {
      const { email } = decodeOperation(wire.RemoveUserOperation, bytes);
      this.#requireManaged(tag ?? '').remove(email);
    }
    return new Uint8Array();
  }

  #requireManaged(tag: string): EmbeddedInbound {
    const found = this.#inbounds.get(tag);
    if (found === undefined) {
      throw new XrayError(
        `app/proxyman/command: failed to get handler: ${tag} > app/proxyman/inbound: handler not found: ${tag}`,
      );
    }
    if (found === 'door') throw new XrayError('app/proxyman/command: proxy is not a UserManager');
    return found;
  }

  #list({ isOnlyTags }: wire.ListInboundsRequest.$Shape): Uint8Array {
    const inbounds = [...this.#inbounds].map(([tag, inbound]) => {
      const type =
        inbound === 'door' ? 'xray.proxy.dokodemo.Config' : inboundTypes[inbound.protocol];
      return isOnlyTags === true ? { tag } : { tag, proxySettings: { type } };
    });
    return wire.Inbounds.encode({ inbounds }).finish();
  }
}

function encodeUsers(inbound: EmbeddedInbound, email: string): Uint8Array {
  if (email === '') return Buffer.concat(inbound.list().map(({ entry }) => entry));
  // A missing user is one empty entry, not an error.
  return inbound.find(email)?.entry ?? wire.InboundUsers.encode({ users: [{}] }).finish();
}

function toStoredUser(user: wire.User.$Shape | null | undefined): StoredUser {
  if (user?.account == null) {
    throw new XrayError(
      'app/proxyman/command: failed to parse user > common/protocol: Account is missing',
    );
  }
  const email = user.email ?? '';
  const account = parseAccount(user.account);
  const users = [{ level: user.level ?? 0, email, account: encodeNodeAccount(account) }];
  return { email, account, entry: wire.InboundUsers.encode({ users }).finish() };
}

function encodeNodeAccount({ type, secret, flow }: NodeAccount): wire.TypedMessage.$Shape {
  switch (type) {
    case accountTypes.vless:
      return { type, value: wire.VlessAccount.encode({ id: secret, flow }).finish() };
    case accountTypes.vmess:
      return { type, value: wire.VmessAccount.encode({ id: secret }).finish() };
    default:
      return { type, value: wire.TrojanAccount.encode({ password: secret }).finish() };
  }
}

type Decoder<Message> = { decode(bytes: Uint8Array): Message };

function decodeRequest<Message>(kind: Decoder<Message>, bytes: Uint8Array): Message {
  try {
    return kind.decode(bytes);
  } catch {
    throw new XrayError(
      'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data',
      status.INTERNAL,
    );
  }
}

function decodeOperation<Message>(kind: Decoder<Message>, bytes: Uint8Array): Message {
  try {
    return kind.decode(bytes);
  } catch {
    throw new XrayError(
      'app/proxyman/command: unknown operation > proto: cannot parse invalid wire-format data',
    );
  }
}
