import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CredentialId, generateCredentialId } from '../../../src/kernel/ids.ts';
import { type EmbeddedNode, startEmbeddedNode } from '../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import type { NodeApi } from '../../../src/xray/port.ts';
import {
  createContractInbounds,
  createServerConfig,
  createXrayProcess,
  findXrayOrSkip,
  freePort,
  type XrayProcess,
} from '../../../testbed/real-xray.ts';
import { managedInbounds } from '../../support/contract-nodes.ts';
import {
  type ClientRoute,
  createClientConfig,
  createRoute,
  fetchThrough,
} from '../../support/socks-client.ts';

// Access: requests through a real client and a real node.
//
// The embedded node receives the same calls, and must accept the same UUIDs after each step
// (`admits`).

const xray = findXrayOrSkip('requests through a real node');

const one = generateCredentialId();
const two = generateCredentialId();
/** Differs from `one` only in bytes 6 and 7, which VLESS ignores. */
const cousin =
  `${one.slice(0, 14)}${one.slice(14, 18) === '4abc' ? '4abd' : '4abc'}${one.slice(18)}` as CredentialId;
const ids = [one, two, cousin];

describe.skipIf(xray === undefined)('access through a real node', () => {
  const processes: XrayProcess[] = [];
  let origin: Server;
  let originPort: number;
  let ways: ClientRoute[];
  let real: NodeApi;
  let embedded: EmbeddedNode;
  let embeddedApi: NodeApi;

  beforeAll(async () => {
    origin = createServer((_, response) => response.end('it works')).listen(0, '127.0.0.1');
    await once(origin, 'listening');
    originPort = (origin.address() as { port: number }).port;
    const inbounds = (await createContractInbounds()) as { tag: string; port: number }[];
    ways = await Promise.all(
      managedInbounds.flatMap(([tag, protocol]) => {
        const port = inbounds.find((inbound) => inbound.tag === tag)?.port as number;
        return ids.map((id) => createRoute({ protocol, port, id }));
      }),
    );
    const api = `127.0.0.1:${await freePort()}`;
    for (const config of [createServerConfig(api, inbounds), createClientConfig(ways)]) {
      const process = createXrayProcess(xray as string, config);
      processes.push(process);
      await process.start();
    }
    real = connectNode({ api });
    embedded = await startEmbeddedNode({
      inbounds: managedInbounds.map(([tag, protocol]) => ({ tag, protocol })),
    });
    embeddedApi = connectNode(embedded);
  });

  afterAll(async () => {
    real?.close();
    embeddedApi?.close();
    embedded?.stop();
    for (const process of processes) await process.remove();
    origin.close();
  });

  describe.each(managedInbounds)('%s', (tag, protocol) => {
    /** @returns those of `ids` that the real node accepts, in order; the embedded node agrees */
    const readAdmitted = async (): Promise<CredentialId[]> => {
      const own = ways.filter((way) => way.protocol === protocol);
      const bodies = await Promise.all(
        own.map(({ socksPort }) => fetchThrough(socksPort, originPort)),
      );
      const through = own.filter((_, at) => bodies[at] === 'it works').map(({ id }) => id);
      expect(ids.filter((id) => embedded.accepts(tag, id))).toEqual(through);
      return through;
    };
    const both = async <Outcome>(ask: (node: NodeApi) => Promise<Outcome>): Promise<Outcome> => {
      const outcome = await ask(real);
      expect(await ask(embeddedApi)).toEqual(outcome);
      return outcome;
    };
    const add = (name: string, id: CredentialId) =>
      both((node) => node.addUser(tag, { name, id, flow: '' }));
    const remove = (name: string) => both((node) => node.removeUser(tag, name));
    /** VLESS does not distinguish these UUIDs. */
    const oneIsIn = protocol === 'vless' ? [one, cousin] : [one];

    test('a user connects after an add, not after a removal, and again after the next add', async () => {
      expect(await readAdmitted()).toEqual([]);
      expect(await add('acme-one', one)).toBe('added');
      expect(await readAdmitted()).toEqual(oneIsIn);
      expect(await remove('acme-one')).toBe('removed');
      expect(await readAdmitted()).toEqual([]);
      expect(await add('acme-one', one)).toBe('added');
      expect(await readAdmitted()).toEqual(oneIsIn);
      expect(await remove('acme-one')).toBe('removed');
    });

    test('a name that exists keeps its UUID, and another UUID does not connect', async () => {
      await add('acme-one', one);
      expect(await add('acme-one', two)).toBe('already_there');
      expect(await readAdmitted()).toEqual(oneIsIn);
      await remove('acme-one');
      expect(await readAdmitted()).toEqual([]);
    });

    test('the removal of one of two names with one UUID locks out both', async () => {
      await add('acme-one', one);
      await add('other-one', one);
      expect(await readAdmitted()).toEqual(oneIsIn);
      await remove('acme-one');
      expect(await readAdmitted()).toEqual([]);
      expect(await remove('other-one')).toBe('removed');
      await add('acme-one', one);
      await add('other-one', one);
      await remove('other-one');
      expect(await readAdmitted()).toEqual([]);
      await remove('acme-one');
    });
  });
});
