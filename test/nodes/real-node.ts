import { once } from 'node:events';
import { createServer } from 'node:http';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { until } from '../service/until.ts';
import { freePort, serverConfig, xrayProcess } from '../xray/real-xray.ts';
import { clientConfig, get, wayIn } from '../xray/socks.ts';
import { namesInBooks } from './kept.ts';

// A real Xray as a node, and customers who connect through it by a client of their own.

export type RealNode = Awaited<ReturnType<typeof aRealNode>>;

/** One VLESS inbound, `vless`, on loopback; started. */
export async function aRealNode(path: string) {
  const api = `127.0.0.1:${await freePort()}`;
  const port = await freePort();
  const inbound = {
    tag: 'vless',
    listen: '127.0.0.1',
    port,
    protocol: 'vless',
    settings: { clients: [], decryption: 'none' },
  };
  const xray = xrayProcess(path, serverConfig(api, [inbound]));
  await xray.start();
  const looking = connectNode({ api });
  return {
    api,
    port,
    xray,
    /** Whom it has, told by itself. */
    async names(): Promise<string[]> {
      const names: string[] = [];
      for await (const slice of looking.listUsers('vless'))
        names.push(...slice.map(({ name }) => name));
      return names.sort();
    },
    count: () => looking.countUsers('vless'),
    async [Symbol.asyncDispose]() {
      looking.close();
      await xray.remove();
    },
  };
}

/** Waits until a node has exactly those who may connect. */
export async function equal(
  books: Parameters<typeof namesInBooks>[0],
  node: RealNode,
  deadlineMs: number,
): Promise<void> {
  await until(
    'the node equals the books',
    async () =>
      JSON.stringify(await node.names()) === JSON.stringify(await namesInBooks(books))
        ? true
        : undefined,
    deadlineMs,
  );
}

export interface Client extends AsyncDisposable {
  /** Whether a request on a new connection is answered. */
  passes(): Promise<boolean>;
  /** Waits until one is. */
  untilIn(deadlineMs: number): Promise<void>;
  /** Waits until none is any more. */
  untilOut(deadlineMs: number): Promise<void>;
}

/** A client process with the customer's UUID and a socks port, and a site to ask. */
export async function aClient(path: string, node: RealNode, id: CredentialId): Promise<Client> {
  const origin = createServer((_, response) => response.end('it works')).listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as { port: number };
  const way = await wayIn({ protocol: 'vless', port: node.port, id });
  const client = xrayProcess(path, clientConfig([way]));
  await client.start();
  const passes = async () => (await get(way.socksPort, port)) === 'it works';
  const ask = (wanted: boolean) => async () => ((await passes()) === wanted ? true : undefined);
  return {
    passes,
    untilIn: async (deadlineMs) => void (await until('a request passes', ask(true), deadlineMs)),
    untilOut: async (deadlineMs) => void (await until('no request passes', ask(false), deadlineMs)),
    async [Symbol.asyncDispose]() {
      await client.remove();
      origin.close();
    },
  };
}
