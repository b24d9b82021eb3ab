import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { replaceReference } from '../../../scripts/api-reference.ts';
import { createKey, startApi } from '../../support/api.ts';
import { parseDocument } from '../../support/markdown-document.ts';

// docs/api.md: its walk-through is asked of a real server, request after request, and its reference
// is what the schemas say now.

const text = readFileSync('docs/api.md', 'utf8');

test('docs/api.md: each request of the walk-through is answered as it stands there', async () => {
  const { send, tokens } = await startApi();
  const { blocks } = parseDocument('docs/api.md', text);
  let asked = 0;
  for (const [at, block] of blocks.entries()) {
    if (block.language !== 'http') continue;
    const [line = '', , ...body] = block.text.split('\n');
    const [method = '', path = ''] = line.split(' ');
    const answer = await send(method, path, {
      token: tokens.sell,
      ...(method === 'POST' ? { key: createKey() } : {}),
      ...(body.length === 0 ? {} : { body: JSON.parse(body.join('\n')) }),
    });
    const after = blocks[at + 1];
    expect(after?.language, `line ${block.line}`).toBe('json');
    expect(answer.status, `line ${block.line}: ${answer.text}`).toBe(Number(after?.info));
    expect(answer.json, `line ${block.line}`).toMatchObject(JSON.parse(after?.text ?? ''));
    asked += 1;
  }
  expect(asked).toBeGreaterThanOrEqual(8);
});

test('docs/api.md: the reference is made of the schemas; npm run docs:api makes it anew', () => {
  expect(replaceReference(text)).toBe(text);
});
