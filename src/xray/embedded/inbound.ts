import { unreachable } from '../../kernel/faults.ts';
import { accountTypes } from '../grpc/contract.ts';
import { wire } from '../grpc/wire.js';
import type { UserProtocol } from '../port.ts';
import { Panic, Refusal } from './refusal.ts';
import { readAsXray } from './uuid.ts';

// The users of one inbound, as Xray's validators keep them: one map by name and one by what opens
// it. They don't know of each other, and that is where its traps come from (XRAY.md 2).

export interface Account {
  readonly type: string;
  /** The UUID, canonical, or Trojan's password. */
  readonly secret: string;
  readonly flow: string;
}

export interface HeldUser {
  readonly email: string;
  readonly account: Account;
  /** As an entry of a list of users, encoded once: a list of 100,000 is a matter of copying. */
  readonly entry: Uint8Array;
}

interface Ways {
  /** Where Xray's errors say that they come from. */
  readonly origin: string;
  /** Whether users without a name are listed and counted. */
  readonly listsNameless: boolean;
  /** What is compared when somebody connects. */
  key(secret: string): string;
}

const ways: Readonly<Record<UserProtocol, Ways>> = {
  // Bytes 6 and 7 carry a route, and are not part of who somebody is.
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
  readonly #ways: Ways;
  readonly #byName = new Map<string, HeldUser>();
  readonly #byKey = new Map<string, HeldUser>();
  readonly #nameless: HeldUser[] = [];

  constructor(protocol: UserProtocol) {
    this.protocol = protocol;
    this.#ways = ways[protocol];
  }

  add(user: HeldUser): void {
    const name = user.email.toLowerCase();
    if (name !== '' && this.#byName.has(name)) {
      throw new Refusal(`${this.#ways.origin}: User ${user.email} already exists.`);
    }
    const fits = user.account.type === accountTypes[this.protocol];
    if (!fits && this.protocol !== 'vmess') throw new Panic('an account of another protocol');
    if (name === '') this.#nameless.push(user);
    else this.#byName.set(name, user);
    // VMess refuses, but keeps the user: he is listed, and his removal kills the node.
    if (!fits) throw new Refusal('proxy/vmess: account type is incorrect');
    this.#byKey.set(this.#ways.key(user.account.secret), user);
  }

  remove(email: string): void {
    const { origin, key } = this.#ways;
    if (email === '') throw new Refusal(`${origin}: Email must not be empty.`);
    const user = this.#byName.get(email.toLowerCase());
    if (user === undefined) throw new Refusal(`${origin}: User ${email} not found.`);
    if (user.account.type !== accountTypes[this.protocol]) throw new Panic('a foreign account');
    this.#byName.delete(email.toLowerCase());
    // Whoever else has the same key can't connect any more either, though still listed.
    this.#byKey.delete(key(user.account.secret));
  }

  named(email: string): HeldUser | undefined {
    return this.#byName.get(email.toLowerCase());
  }

  listed(): readonly HeldUser[] {
    const named = [...this.#byName.values()];
    return this.#ways.listsNameless ? [...named, ...this.#nameless] : named;
  }

  count(): number {
    return this.#byName.size + (this.#ways.listsNameless ? this.#nameless.length : 0);
  }

  /** Whoever would be let in with this UUID (Trojan: password) now. */
  opened(secret: string): HeldUser | undefined {
    return this.#byKey.get(this.#ways.key(secret));
  }
}

/** What an account says, with the errors that Xray has for those that it can't read. */
export function readAccount({ type, value }: wire.TypedMessage.$Shape): Account {
  const protocol = (Object.keys(accountTypes) as UserProtocol[]).find(
    (each) => accountTypes[each] === type,
  );
  const failed = 'app/proxyman/command: failed to parse user';
  if (protocol === undefined) {
    // A message that Xray knows, but no account.
    throw type?.startsWith('xray.common.') === true
      ? new Refusal(`${failed} > common/protocol: Unknown account type: ${type}`)
      : new Refusal(`${failed} > proto: not found`);
  }
  const read = decodedAccount(protocol, value ?? new Uint8Array(), failed);
  if (protocol === 'trojan') return { type: accountTypes.trojan, secret: read.id, flow: '' };
  const uuid = readAsXray(read.id);
  if ('id' in uuid) return { type: accountTypes[protocol], secret: uuid.id, flow: read.flow };
  throw new Refusal(`${failed} > proxy/${protocol}: failed to parse ID > ${uuid.wrong}`);
}

function decodedAccount(
  protocol: UserProtocol,
  value: Uint8Array,
  failed: string,
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
    throw new Refusal(`${failed} > proto: cannot parse invalid wire-format data`);
  }
}
