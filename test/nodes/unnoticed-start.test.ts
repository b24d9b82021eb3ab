import { expect, test } from 'vitest';
import { startEmbeddedNode } from '../../src/xray/embedded/node.ts';
import { until } from '../service/until.ts';
import { payer } from '../shop.ts';
import { keep, namesInBooks, settled, shopOn } from './kept.ts';

test('X6: a node that was started again is filled, also where its uptime says nothing: its connection broke', async () => {
  const beganMs = performance.now();
  let starting = false;
  // Of a second start within the same second the uptime, in whole ones, doesn't tell.
  const node = await startEmbeddedNode({
    inbounds: [{ tag: 'vless', protocol: 'vless' }],
    nowMs: () => (starting ? beganMs : performance.now()),
  });
  try {
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) {
      await payer(books, telegramId, 0n);
    }
    await using _ = keep(books);
    await settled(books);
    starting = true;
    await node.restart();
    starting = false;
    expect(node.names('vless')).toEqual([]);
    await until('everybody is back', () => (node.names('vless').length === 3 ? true : undefined));
    expect([...node.names('vless')].sort()).toEqual(await namesInBooks(books));
  } finally {
    node.stop();
  }
});
