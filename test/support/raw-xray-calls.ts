import { Client, credentials } from '@grpc/grpc-js';
import {
  accountTypes,
  addUserType,
  handlerService,
  removeUserType,
} from '../../src/xray/grpc/contract.ts';
import { wire } from '../../src/xray/grpc/wire.js';

// Calls as bytes, also those that the client never makes.

export type RawResponse = Buffer | { readonly code: number; readonly details: string };

export interface RawNode {
  call(path: string, request: Uint8Array): Promise<RawResponse>;
  alter(tag: string, operation: wire.TypedMessage.$Shape | undefined): Promise<RawResponse>;
  add(
    tag: string,
    email: string,
    account: wire.TypedMessage.$Shape | undefined,
  ): Promise<RawResponse>;
  remove(tag: string, email: string): Promise<RawResponse>;
  users(tag: string, email?: string): Promise<RawResponse>;
  close(): void;
}

const keepBytes = (bytes: Buffer): Buffer => bytes;

export function openRawNode(api: string): RawNode {
  const client = new Client(api, credentials.createInsecure(), {
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
  });
  const call: RawNode['call'] = (path, request) =>
    new Promise((resolve) => {
      client.makeUnaryRequest(path, keepBytes, keepBytes, Buffer.from(request), (error, bytes) => {
        // The space after the name differs between builds of Go's protobuf.
        if (error === null) resolve(bytes as Buffer);
        else resolve({ code: error.code, details: error.details.replaceAll('\u00a0', ' ') });
      });
    });
  const alter: RawNode['alter'] = (tag, operation) => {
    const given = operation === undefined ? { tag } : { tag, operation };
    return call(`/${handlerService}/AlterInbound`, wire.AlterInboundRequest.encode(given).finish());
  };
  return {
    call,
    alter,
    add(tag, email, account) {
      const user = account === undefined ? { email } : { email, account };
      return alter(tag, {
        type: addUserType,
        value: wire.AddUserOperation.encode({ user }).finish(),
      });
    },
    remove: (tag, email) =>
      alter(tag, {
        type: removeUserType,
        value: wire.RemoveUserOperation.encode({ email }).finish(),
      }),
    users: (tag, email = '') =>
      call(
        `/${handlerService}/GetInboundUsers`,
        wire.InboundUserRequest.encode({ tag, email }).finish(),
      ),
    close: () => client.close(),
  };
}

export const accounts = {
  vless: (id: string, flow = '') => ({
    type: accountTypes.vless,
    value: wire.VlessAccount.encode({ id, flow }).finish(),
  }),
  vmess: (id: string) => ({
    type: accountTypes.vmess,
    value: wire.VmessAccount.encode({ id }).finish(),
  }),
  trojan: (password: string) => ({
    type: accountTypes.trojan,
    value: wire.TrojanAccount.encode({ password }).finish(),
  }),
};
