import { expect, test, vi } from 'vitest';
import { foreignTextMax } from '../../src/kernel/foreign-text.ts';
import { until } from '../../testbed/until.ts';
import {
  grpcHead,
  pingFrame,
  startEndlessNode,
  startSilentNode,
  writeEndlessly,
} from '../support/hostile-node.ts';
import {
  createShopWithNodes,
  expectSynced,
  readNode,
  startNode,
  startTestKeepers,
} from '../support/nodes.ts';
import { startPerennial } from '../support/perennial-process.ts';
import { createSubscriber } from '../support/shop.ts';

// Hostile nodes: they are silent, send endless data, or stop within an answer.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const commands: readonly (readonly string[])[] = [
  ['node', 'check'],
  ['node', 'reconcile', '--dry-run'],
  ['node', 'adopt', 'silent', '--all', '--dry-run'],
  ['audit', '--nodes'],
];

test('S7: each command that connects to a node exits, also if the node agrees on HTTP/2 and is silent', async () => {
  using silent = await startSilentNode();
  await using database = await createShopWithNodes({ silent: { api: silent.api } });
  const exits = await Promise.all(
    commands.map((words) => startPerennial(words, { url: database.url }).exit),
  );
  for (const { code, out, err } of exits) {
    expect(code).toBe(1);
    expect(out + err).toContain(`${silent.api}: no answer within 5 s`);
  }
  await until('no connection is left', async () => silent.countOpen() === 0);
});

test('S7: `node check` exits if nodes flood it, stop within an answer, or answer without end', async () => {
  using flood = await startSilentNode(Buffer.concat(Array.from({ length: 500 }, () => pingFrame)));
  using half = await startEndlessNode((stream) => {
    stream.respond(grpcHead);
    stream.write(Buffer.alloc(3));
  });
  using endless = await startEndlessNode((stream) => {
    stream.respond(grpcHead);
    writeEndlessly(stream, Buffer.alloc(1_000_000));
  });
  using resets = await startEndlessNode((stream) => stream.session?.socket.destroy());
  using talking = await startEndlessNode((stream) => {
    const escaped = encodeURIComponent(`\u001b[31m${'x'.repeat(60_000)}`);
    stream.respond(
      { ...grpcHead, 'grpc-status': '2', 'grpc-message': escaped },
      { endStream: true },
    );
  });
  const nodes = { flood, half, endless, resets, talks: talking };
  await using database = await createShopWithNodes(nodes);
  const { code, out } = await startPerennial(['node', 'check'], { url: database.url }).exit;
  expect(code).toBe(1);
  expect(out.match(/: (?:unreachable|misconfigured): /g)).toHaveLength(Object.keys(nodes).length);
  expect(out.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
  for (const line of out.split('\n')) expect(line.length).toBeLessThan(foreignTextMax + 100);
});

test('S7: a service with a silent node keeps the other nodes synced, and opens one connection at a time', async () => {
  using silent = await startSilentNode();
  using node = await startNode();
  await using database = await createShopWithNodes({
    silent: { api: silent.api },
    well: { api: node.api },
  });
  await createSubscriber(database, 1n, 0n);
  {
    await using _ = startTestKeepers(database, { probeMs: 20 });
    await expectSynced(database, node);
    const asked = () => silent.countAccepted() >= 3;
    await until('3 connections', async () => asked(), 60_000);
    expect(silent.countOpen()).toBeLessThanOrEqual(2);
    expect((await readNode(database, 'silent')).last_error).toContain('no answer within 3 s');
  }
  await until('no connection is left', async () => silent.countOpen() === 0);
});
