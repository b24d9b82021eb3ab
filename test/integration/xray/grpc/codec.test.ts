import { expect, test } from 'vitest';
import { generateCodec, readCommitted } from '../../../../scripts/proto.ts';

test('the committed codec equals the output for wire.proto', () => {
  const fresh = generateCodec();
  expect(fresh['wire.js']).toBe(readCommitted('wire.js'));
  expect(fresh['wire.d.ts']).toBe(readCommitted('wire.d.ts'));
});
