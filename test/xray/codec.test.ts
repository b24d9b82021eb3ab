import { expect, test } from 'vitest';
import { committed, generate } from '../../scripts/proto.ts';

test('the committed codec is what wire.proto makes', () => {
  const fresh = generate();
  expect(fresh['wire.js']).toBe(committed('wire.js'));
  expect(fresh['wire.d.ts']).toBe(committed('wire.d.ts'));
});
