import { unreachable } from '../../kernel/faults.ts';
import { accountTypes } from '../grpc/contract.ts';
import { wire } from '../grpc/wire.js';
import type { UserProtocol } from '../port.ts';
import { parseXrayUuid } from './uuid.ts';
import { Panic, XrayError } from './xray-error.ts';

// The users of one inbound, like Xray's validators: a map by name and a map by secret. The two maps
// are not consistent with each other, which causes Xray's traps (docs/xray-facts.md).

export interface NodeAccount {
  readonly type: string;
  /** The UUID, canonical, or Trojan's password. */
  readonly secret: string;
  readonly flow: string;
}

export interface StoredUser {
  readonly email: string;
  readonly account: NodeAccount;
  /** An entry of a list of users, encoded once. So a list of 100,000 users is only copied. */
  readonly entry: Uint8Array;
}

interface ProtocolRules {
  /** The package that Xray's errors name. */
  readonly origin: string;
  /** True if users without a name are listed and counted. */
  readonly listsNameless: boolean;
  /** The value that a new connection is compared with. */
  key(secret: string): string;
}

const protocolRules: Readonly<Record<UserProtocol, ProtocolRules>> = {
  // Bytes 6 and 7 carry a route and do not identify the user.
  vless: {
    origin: 'proxy/vless',
    listsNameless: false,
    key: (id) => `${id.slice(0, 14)}0000${id.slice(18)}`,
  },
  vmess: { origin: 'proxy/vmess/inbound', listsNameless: true, key: (id) => id },
  trojan: { origin: 'proxy/trojan', listsNameless: false, key: (password) => password },
};

export class EmbeddedInbound {
  readonly protocol: UserProtocol;
  readonly #rules: ProtocolRules;
  readonly #byName = new Map<string, StoredUser>();
  readonly #byKey = new Map<string, StoredUser>();
  readonly #nameless: StoredUser[] = [];

  constructor(protocol: UserProtocol) {
    this.protocol = protocol;
    this.#rules = protocolRules[protocol];
  }

  add(user: StoredUser): void {
    const name = user.email.toLowerCase();
    if (name !== '' && this.#byName.has(name)) {
      throw new XrayError(`${this.#rules.origin}: User ${user.email} already exists.`);
    }
    const hasOwnType = user.account.type === accountTypes[this.protocol];
    if (!hasOwnType && this.protocol !== 'vmess') throw new Panic('an account of another protocol');
    if (name === '') this.#nameless.push(user);
    else this.#byName.set(name, user);
    // VMess refuses the user and keeps it. It is listed, and its removal crashes the node.
    if (!hasOwnType) throw new XrayError('proxy/vmess: account type is incorrect');
    this.#byKey.set(this.#rules.key(user.account.secret), user);
  }

  remove(email: string): void {
    const { origin, key } = this.#rules;
    if (email === '') throw new XrayError(`${origin}: Email must not be empty.`);
    const user = this.#byName.get(email.toLowerCase());
    if (user === undefined) throw new XrayError(`${origin}: User ${email} not found.`);
    if (user.account.type !== accountTypes[this.protocol]) throw new Panic('a foreign account');
    this.#byName.delete(email.toLowerCase());
    // Another user with the same key cannot connect any more either, and stays listed.
    this.#byKey.delete(key(user.account.secret));
  }

  find(email: string): StoredUser | undefined {
    return this.#byName.get(email.toLowerCase());
  }

  list(): readonly StoredUser[] {
    const named = [...this.#byName.values()];
    return this.#rules.listsNameless ? [...named, ...this.#nameless] : named;
  }

  count(): number {
    return this.#byName.size + (this.#rules.listsNameless ? this.#nameless.length : 0);
  }

  /** The user that this UUID (Trojan: password) would open now. */
  findBySecret(secret: string): StoredUser | undefined {
    return this.#byKey.get(this.#rules.key(secret));
  }
}

/** Reads an account. @throws Refusal with Xray's error if the account is unreadable */
export function parseAccount({ type, value }: wire.TypedMessage.$Shape): NodeAccount {
  const protocol = (Object.keys(accountTypes) as UserProtocol[]).find(
    (each) => accountTypes[each] === type,
  );
  const errorPrefix = 'app/proxyman/command: failed to parse user';
  if (protocol === undefined) {
    // A message type of Xray that is not an account.
    throw type?.startsWith('xray.common.') === true
      ? new XrayError(`${errorPrefix} > common/protocol: Unknown account type: ${type}`)
      : new XrayError(`${errorPrefix} > proto: not found`);
  }
  const decoded = decodeAccount(protocol, value ?? new Uint8Array(), errorPrefix);
  if (protocol === 'trojan') return { type: accountTypes.trojan, secret: decoded.id, flow: '' };
  const uuid = parseXrayUuid(decoded.id);
  if ('id' in uuid) return { type: accountTypes[protocol], secret: uuid.id, flow: decoded.flow };
  throw new XrayError(`${errorPrefix} > proxy/${protocol}: failed to parse ID > ${uuid.problem}`);
}

function decodeAccount(
  protocol: UserProtocol,
  value: Uint8Array,
  errorPrefix: string,
): { id: string; flow: string } {
  try {
    switch (protocol) {
      case 'vless': {
        const { id, flow } = wire.VlessAccount.decode(value);
        return { id, flow };
      }
      case 'vmess':
        return { id: wire.VmessAccount.decode(value).id, flow: '' };
      case 'trojan':
        return { id: wire.TrojanAccount.decode(value).password, flow: '' };
      default:
        return unreachable(protocol);
    }
  } catch {
    throw new XrayError(`${errorPrefix} > proto: cannot parse invalid wire-format data`);
  }
}
