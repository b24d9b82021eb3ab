import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seedInUse } from '../../test/seed.ts';
import { maskSecrets } from './secrets.ts';

const bot = '123456789:AAF-geheim_geheim_geheim_geheim_12';

test.for<[string, string]>([
  ['postgres://u:geheim@db:5432/x', 'postgres://u:***@db:5432/x'],
  ['postgres://u:ge@heim@db/x', 'postgres://u:***@db/x'],
  ['postgres://u:g/e?h#eim@geheim@db/x', 'postgres://u:***@db/x'],
  ['smtp://me@mail.example:geheim@host:587', 'smtp://me@mail.example:***@host:587'],
  ['postgres://db/x?user=u&password=geheim', 'postgres://db/x?user=u&password=***'],
  ['host=db password=geheim user=u', 'host=db password=*** user=u'],
  [`is "${bot}"`, 'is "***"'],
  [`https://api.telegram.org/bot${bot}/getMe`, 'https://api.telegram.org/bot***/getMe'],
  [`prn_AbCd1234${'geheim'.repeat(6)}`, 'prn_AbCd1234***'],
  ['vless://0b1c-geheim@host:443?x=y#z', 'vless://***'],
  ['https://shop.example/sub/geheimgeheim0000', 'https://shop.example/sub/***'],
])('%s becomes %s', ([text, masked]) => {
  expect(maskSecrets(text)).toBe(masked);
  expect(maskSecrets(masked)).toBe(masked);
});

test.for([
  'node nl-1: 10.0.0.1:50051 does not answer',
  'postgres://db:5432/perennial',
  'http://127.0.0.1:8080/v1/customers/7',
  'anna@example.net wrote at 2026-11-24T09:00:00.000Z',
  'needs a valid token, as "Authorization: Bearer prn_…"',
])('%s stays as it is', (text) => {
  expect(maskSecrets(text)).toBe(text);
});

test('a password in a URL never stays, whatever characters it has', () => {
  const seed = seedInUse();
  fc.assert(
    fc.property(fc.stringMatching(/^[!#-&(-;=?-_a-z{-~]{1,20}$/), (noise) => {
      const masked = maskSecrets(`cannot open postgres://u:Geheim1${noise}@db:5432/x now`);
      expect(masked).not.toContain('Geheim1');
    }),
    { seed, numRuns: 300 },
  );
});
