import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { beginLeaving } from '../../src/catalog/leaving.ts';
import { applyCommand } from '../../src/cli/apply.ts';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import { finishMarking } from '../../src/subscription/marking.ts';
import type { Books } from '../books.ts';
import { payer } from '../shop.ts';
import { unmark } from './compared.ts';
import { aNode, equal, keep, marksOf, nodeRow, settled, shopOn } from './kept.ts';

// `perennial apply FILE --yes` with what it says of nodes, in this process: what a script says too.

async function apply(books: Books, nodes: string, ...options: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-apply-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'shop.yaml');
  writeFileSync(file, `nodes:\n${nodes}\n`);
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const installation = { id: '', test: true, madeBy: 'migrate' };
  const command = applyCommand(async (config) => ({
    ...{ config, db: books.db, url: books.url, installation },
    close: async () => undefined,
  }));
  try {
    await command.exitOverride().parseAsync([file, '--yes', ...options], { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return out;
}

const at = (api: string, inbounds = 'vless') =>
  `  - { id: a, api: "${api}", groups: [all], inbounds: [${inbounds}], link: { host: nl1.example.net, port: 443 } }`;

test('another address is refused until it is said that what was there runs no more', async () => {
  using before = await aNode();
  using after = await aNode();
  await using books = await shopOn({ a: { api: before.api } });
  await payer(books, 1n, 0n);
  {
    await using _ = keep(books);
    await equal(books, before);
    await settled(books);
  }
  for (const options of [[], ['--dry-run'], ['--moved', 'b']]) {
    await expect(apply(books, at(after.api), ...options)).rejects.toMatchObject({
      code: 'node_moved',
      message: expect.stringMatching(
        /nodes: "a" has the api .* in the books and .* here; .*say --moved a; .*"perennial node remove a"/,
      ),
    });
  }
  expect(await nodeRow(books, 'a')).toMatchObject({ api: before.api });
  // It was switched off, and another machine is in its place.
  before.stop();
  expect(await apply(books, at(after.api), '--moved', 'a')).toMatch(
    new RegExp(`^~ node a: api ${before.api} -> ${after.api}\n1 change made\n$`),
  );
  await using _ = keep(books);
  await equal(books, after);
  await settled(books);
});

test('the same server at another address loses nothing of what was still to be told to it', async () => {
  const both = [
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ] as const;
  using node = await aNode(both);
  await using books = await shopOn({ a: { api: node.api, inbounds: ['vless', 'trojan'] } });
  await payer(books, 1n, 0n);
  {
    await using _ = keep(books);
    await settled(books);
  }
  expect(node.names('trojan')).toHaveLength(1);
  await apply(books, at(node.api));
  await apply(books, at(node.api.replace('127.0.0.1', 'localhost')), '--moved', 'a');
  await using _ = keep(books);
  await settled(books);
  expect(node.names('trojan')).toEqual([]);
  await equal(books, node);
});

test('a node that is being emptied is not filled again by a file that still has it, unless that is said', async () => {
  await using books = await shopOn({ a: { api: '127.0.0.1:1' } });
  await payer(books, 1n, 0n);
  await inTransaction(books.db, async (tx) => beginLeaving(tx, 'a', 'test', await readClock(tx)));
  await finishMarking(books.db);
  await unmark(books);
  await expect(apply(books, at('127.0.0.1:1'))).rejects.toMatchObject({
    code: 'node_leaving',
    message: expect.stringMatching(/is being emptied.*take it out of the file, or say --keep a/),
  });
  expect(await marksOf(books)).toBe(0);
  expect(await apply(books, at('127.0.0.1:1'), '--keep', 'a')).toContain('~ node a: groups');
  expect(await marksOf(books)).toBe(1);
});
