import type { Flow } from '../flow.ts';
import type { UserProtocol } from '../port.ts';
import { wire } from './wire.js';

// Names on the wire that wire.proto cannot express: paths of methods, and full type names of
// embedded messages. The client and the embedded node share them.

export const handlerService = 'xray.app.proxyman.command.HandlerService';
export const statsService = 'xray.app.stats.command.StatsService';

export const methodPaths = {
  alterInbound: `/${handlerService}/AlterInbound`,
  listInbounds: `/${handlerService}/ListInbounds`,
  getInboundUsers: `/${handlerService}/GetInboundUsers`,
  getInboundUsersCount: `/${handlerService}/GetInboundUsersCount`,
  getSysStats: `/${statsService}/GetSysStats`,
  getStats: `/${statsService}/GetStats`,
} as const;
export type MethodPath = (typeof methodPaths)[keyof typeof methodPaths];

export const addUserType = 'xray.app.proxyman.command.AddUserOperation';
export const removeUserType = 'xray.app.proxyman.command.RemoveUserOperation';

export const accountTypes: Readonly<Record<UserProtocol, string>> = {
  vless: 'xray.proxy.vless.Account',
  vmess: 'xray.proxy.vmess.Account',
  trojan: 'xray.proxy.trojan.Account',
};

/** The type of an inbound's configuration in ListInbounds. */
export const inboundTypes: Readonly<Record<UserProtocol, string>> = {
  vless: 'xray.proxy.vless.inbound.Config',
  vmess: 'xray.proxy.vmess.inbound.Config',
  trojan: 'xray.proxy.trojan.ServerConfig',
};

export function toInboundProtocol(type: string): UserProtocol | undefined {
  return (Object.keys(inboundTypes) as UserProtocol[]).find((each) => inboundTypes[each] === type);
}

/** The account that opens an inbound of this protocol to a UUID. Trojan uses it as the password. */
export function encodeAccount(
  protocol: UserProtocol,
  id: string,
  flow: Flow,
): wire.TypedMessage.$Shape {
  const type = accountTypes[protocol];
  switch (protocol) {
    case 'vless':
      return { type, value: wire.VlessAccount.encode({ id, flow }).finish() };
    case 'vmess':
      return { type, value: wire.VmessAccount.encode({ id }).finish() };
    case 'trojan':
      return { type, value: wire.TrojanAccount.encode({ password: id }).finish() };
  }
}
