import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import { createXrayProcess, findXrayOrSkip, freePort } from '../../../testbed/real-xray.ts';
import { parseDocument } from '../../support/markdown-document.ts';

// The configuration of docs/nodes.md, with which an operator starts the first node.

const xray = findXrayOrSkip('the configuration of docs/nodes.md');

test.skipIf(xray === undefined)(
  'the configuration of docs/nodes.md, with a new key, gives a node that Perennial can manage',
  async () => {
    const path = xray as string;
    const { blocks } = parseDocument('docs/nodes.md', readFileSync('docs/nodes.md', 'utf8'));
    const text = blocks.find(({ info }) => info === 'config.json')?.text ?? '';
    const [, key = ''] = /PrivateKey: (\S+)/.exec(
      execFileSync(path, ['x25519'], { encoding: 'utf8' }),
    ) ?? [''];
    const config = JSON.parse(text.replace('PRIVATE_KEY', key));
    const api = `127.0.0.1:${await freePort()}`;
    config.api.listen = api;
    config.inbounds[0].port = await freePort();
    config.inbounds[0].listen = '127.0.0.1';
    const server = createXrayProcess(path, config);
    const node = connectNode({ api });
    onTestFinished(async () => {
      node.close();
      await server.remove();
    });
    await server.start();
    expect(await node.readInbounds()).toMatchObject([
      { tag: 'vless-reality', manages: true, protocol: 'vless' },
    ]);
    const id = '6ba7b810-9dad-41d1-80b4-00c04fd430c8' as Parameters<typeof node.addUser>[1]['id'];
    const user = { name: `acme-${id}`, id, flow: 'xtls-rprx-vision' } as const;
    expect(await node.addUser('vless-reality', user)).toBe('added');
    for await (const users of node.listUsers('vless-reality')) expect(users).toEqual([user]);
    expect(await node.countUsers('vless-reality')).toBe(1);
  },
  30_000,
);
