import { expect, test } from 'vitest';
import { startEmbeddedNode } from '../../../../src/xray/embedded/node.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createShopWithNodes,
  readEntitledNames,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createSubscriber } from '../../../support/shop.ts';

test('X6: a restarted node is seeded because its connection broke, also if the uptime does not show it', async () => {
  const beganMs = performance.now();
  let starting = false;
  // Uptime is in whole seconds, so it does not show a second start within the same second.
  const node = await startEmbeddedNode({
    inbounds: [{ tag: 'vless', protocol: 'vless' }],
    nowMs: () => (starting ? beganMs : performance.now()),
  });
  try {
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) {
      await createSubscriber(database, telegramId, 0n);
    }
    await using _ = startTestKeepers(database);
    await untilSynced(database);
    starting = true;
    await node.restart();
    starting = false;
    expect(node.listUserNames('vless')).toEqual([]);
    await until('all users are on the node again', () => node.listUserNames('vless').length === 3);
    expect([...node.listUserNames('vless')].sort()).toEqual(await readEntitledNames(database));
  } finally {
    node.stop();
  }
});
