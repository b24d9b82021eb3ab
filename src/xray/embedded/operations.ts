import { status } from '@grpc/grpc-js';
import {
  accountTypes,
  addUserType,
  inboundTypes,
  type Path,
  paths,
  removeUserType,
} from '../grpc/contract.ts';
import { wire } from '../grpc/wire.js';
import type { UserProtocol } from '../port.ts';
import { type Account, EmbeddedInbound, type HeldUser, readAccount } from './inbound.ts';
import { Panic, Refusal } from './refusal.ts';

// Each method, from bytes to bytes. The checks have the order of Xray, which decides between several
// possible errors.

export interface InboundConfig {
  readonly tag: string;
  /** `door`: an inbound without users, like dokodemo-door. */
  readonly protocol: UserProtocol | 'door';
}

/** One boot of a node, from its start to its end. */
export class Life {
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
  remake(tag: string): void {
    const found = this.inbound(tag);
    if (found !== undefined) this.#inbounds.set(tag, new EmbeddedInbound(found.protocol));
  }

  /** @throws Refusal, or Panic, which ends this boot */
  answer(path: Path, request: Uint8Array): Uint8Array {
    switch (path) {
      case paths.alterInbound:
        return this.#alter(parsed(wire.AlterInboundRequest, request));
      case paths.listInbounds:
        return this.#list(parsed(wire.ListInboundsRequest, request));
      case paths.getInboundUsers: {
        const { tag, email } = parsed(wire.InboundUserRequest, request);
        return usersOf(this.#managed(tag), email);
      }
      case paths.getInboundUsersCount: {
        const { tag } = parsed(wire.InboundUserRequest, request);
        return wire.InboundUsersCount.encode({ count: this.#managed(tag).count() }).finish();
      }
      case paths.getSysStats: {
        const uptime = Math.floor(this.#uptimeMs() / 1_000);
        return wire.SysStats.encode({ uptime, numGoroutine: 1, alloc: 1 }).finish();
      }
      case paths.getStats: {
        const { name } = parsed(wire.StatRequest, request);
        throw new Refusal(`${name} not found.`, status.NOT_FOUND);
      }
    }
  }

  #alter({ tag, operation }: wire.AlterInboundRequest.$Shape): Uint8Array {
    if (operation == null) throw new Panic('no operation');
    const { type = '', value } = operation;
    if (type !== addUserType && type !== removeUserType) {
      throw new Refusal(
        Object.values<string | null>(accountTypes).includes(type)
          ? 'app/proxyman/command: not an inbound operation'
          : 'app/proxyman/command: unknown operation > proto: not found',
      );
    }
    const bytes = value ?? new Uint8Array();
    if (type === addUserType) {
      const { user } = operationOf(wire.AddUserOperation, bytes);
      const inbound = this.#managed(tag ?? '');
      inbound.add(heldUser(user));
    } else {
      const { email } = operationOf(wire.RemoveUserOperation, bytes);
      this.#managed(tag ?? '').remove(email);
    }
    return new Uint8Array();
  }

  #managed(tag: string): EmbeddedInbound {
    const found = this.#inbounds.get(tag);
    if (found === undefined) {
      throw new Refusal(
        `app/proxyman/command: failed to get handler: ${tag} > app/proxyman/inbound: handler not found: ${tag}`,
      );
    }
    if (found === 'door') throw new Refusal('app/proxyman/command: proxy is not a UserManager');
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

function usersOf(inbound: EmbeddedInbound, email: string): Uint8Array {
  if (email === '') return Buffer.concat(inbound.listed().map(({ entry }) => entry));
  // A missing user is one empty entry, not an error.
  return inbound.named(email)?.entry ?? wire.InboundUsers.encode({ users: [{}] }).finish();
}

function heldUser(user: wire.User.$Shape | null | undefined): HeldUser {
  if (user?.account == null) {
    throw new Refusal(
      'app/proxyman/command: failed to parse user > common/protocol: Account is missing',
    );
  }
  const email = user.email ?? '';
  const account = readAccount(user.account);
  const users = [{ level: user.level ?? 0, email, account: typed(account) }];
  return { email, account, entry: wire.InboundUsers.encode({ users }).finish() };
}

function typed({ type, secret, flow }: Account): wire.TypedMessage.$Shape {
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

function parsed<Message>(kind: Decoder<Message>, bytes: Uint8Array): Message {
  try {
    return kind.decode(bytes);
  } catch {
    throw new Refusal(
      'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data',
      status.INTERNAL,
    );
  }
}

function operationOf<Message>(kind: Decoder<Message>, bytes: Uint8Array): Message {
  try {
    return kind.decode(bytes);
  } catch {
    throw new Refusal(
      'app/proxyman/command: unknown operation > proto: cannot parse invalid wire-format data',
    );
  }
}
