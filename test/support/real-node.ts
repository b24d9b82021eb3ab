import { once } from 'node:events';
import { createServer } from 'node:http';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { createServerConfig, createXrayProcess, freePort } from '../../testbed/real-xray.ts';
import { until } from '../../testbed/until.ts';
import { createClientConfig, createRoute, fetchThrough } from './socks-client.ts';

// A real Xray as a node, and customers who connect through it by a real client.

export type RealNode = Awaited<ReturnType<typeof startRealNode>>;

/** A started node with one VLESS inbound, `vless`, on loopback. */
export async function startRealNode(path: string) {
  const api = `127.0.0.1:${await freePort()}`;
  const port = await freePort();
  const inbound = {
    tag: 'vless',
    listen: '127.0.0.1',
    port,
    protocol: 'vless',
    settings: { clients: [], decryption: 'none' },
  };
  const xray = createXrayProcess(path, createServerConfig(api, [inbound]));
  await xray.start();
  const observer = connectNode({ api });
  return {
    api,
    port,
    xray,
    /** The users that the node lists. */
    async listUserNames(): Promise<string[]> {
      const names: string[] = [];
      for await (const slice of observer.listUsers('vless'))
        names.push(...slice.map(({ name }) => name));
      return names.sort();
    },
    count: () => observer.countUsers('vless'),
    async [Symbol.asyncDispose]() {
      observer.close();
      await xray.remove();
    },
  };
}

export interface XrayClient extends AsyncDisposable {
  /** True if a request on a new connection is answered. */
  canConnect(): Promise<boolean>;
  /** Waits until a request is answered. */
  untilConnected(deadlineMs: number): Promise<void>;
  /** Waits until no request is answered. */
  untilRefused(deadlineMs: number): Promise<void>;
}

/** A client process with the UUID of the customer and a SOCKS port, and a site to request. */
export async function startClient(
  path: string,
  node: RealNode,
  id: CredentialId,
): Promise<XrayClient> {
  const origin = createServer((_, response) => response.end('it works')).listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as { port: number };
  const route = await createRoute({ protocol: 'vless', port: node.port, id });
  const client = createXrayProcess(path, createClientConfig([route]));
  await client.start();
  const canConnect = async () => (await fetchThrough(route.socksPort, port)) === 'it works';
  const checkAccess = (expected: boolean) => async () => (await canConnect()) === expected;
  return {
    canConnect,
    untilConnected: async (deadlineMs) =>
      void (await until('a request passes', checkAccess(true), deadlineMs)),
    untilRefused: async (deadlineMs) =>
      void (await until('no request passes', checkAccess(false), deadlineMs)),
    async [Symbol.asyncDispose]() {
      await client.remove();
      origin.close();
    },
  };
}
