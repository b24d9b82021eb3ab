import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { replaceReference } from '../../../scripts/api-reference.ts';
import { createKey, startApi } from '../../support/api.ts';
import { parseDocument } from '../../support/markdown-document.ts';

// docs/api.md: the walk-through on a real server, and the reference against the schemas.

const text = readFileSync('docs/api.md', 'utf8');

test('docs/api.md: each request of the walk-through gets the answer of the document', async () => {
  const { send, tokens } = await startApi();
  const { blocks } = parseDocument('docs/api.md', text);
  let answered = 0;
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
    answered += 1;
  }
  expect(answered).toBeGreaterThanOrEqual(8);
});

test('docs/api.md: the reference equals the schemas; `npm run docs:api` updates it', () => {
  expect(replaceReference(text)).toBe(text);
});
