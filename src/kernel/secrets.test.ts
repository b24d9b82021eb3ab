import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSeed } from '../../test/support/seed.ts';
import { maskSecrets } from './secrets.ts';

const bot = '123456789:AAF-geheim_geheim_geheim_geheim_12';

test.for<[string, string]>([
  ['postgres://u:geheim@db:5432/x', 'postgres://u:***@db:5432/x'],
  ['postgres://u:ge@heim@db/x', 'postgres://u:***@db/x'],
  ['postgres://u:g/e?h#eim@geheim@db/x', 'postgres://u:***@db/x'],
  ['smtp://me@mail.example:geheim@host:587', 'smtp://me@mail.example:***@host:587'],
  ['postgres://db/x?user=u&password=geheim', 'postgres://db/x?user=u&password=***'],
  ['host=db password=geheim user=u', 'host=db password=*** user=u'],
  [`postgres://u:ge'heim@db/x`, 'postgres://u:***@db/x'],
  ['postgres://u:ge"heim@db/x', 'postgres://u:***@db/x'],
  ['postgres://u:ge<heim@db/x', 'postgres://u:***@db/x'],
  ['postgres://u:ge heim@db/x', 'postgres://u:***@db/x'],
  ['cannot open "postgres://u:ge heim@db/x" now', 'cannot open "postgres://u:***@db/x" now'],
  ['{"password":"geheim","user":"u"}', '{"password":"***","user":"u"}'],
  ['{"password": "ge\\"heim"}', '{"password": "***"}'],
  ['password: geheim', 'password: ***'],
  ['the login failed with password: ge heim', 'the login failed with password: ***'],
  ['refused; password: ge heim; again in 5 s', 'refused; password: ***; again in 5 s'],
  ["node nl-1: token: ge'heim ge\\heim", 'node nl-1: token: ***'],
  ['{"msg":"failed: password: ge heim\\\\ x"}', '{"msg":"failed: password: ***"}'],
  ['postgres://u:ge", heim@db/x', 'postgres://u:***@db/x'],
  ['cannot open postgres://u:ge"} heim@db/x now', 'cannot open postgres://u:***@db/x now'],
  ['{"msg":"postgres://u:ge\\", heim@db/x","n":1}', '{"msg":"postgres://u:***@db/x","n":1}'],
  ['  password: "ge heim"', '  password: "***"'],
  [`password='ge heim' user=u`, `password='***' user=u`],
  ['PGPASSWORD=ge heim', 'PGPASSWORD=***'],
  ['PGPASSWORD=ge heim PGUSER=u', 'PGPASSWORD=*** PGUSER=u'],
  ['hysteria2://geheim@host:443?x=y', 'hysteria2://***'],
  ['hy2://geheim@host:443', 'hy2://***'],
  ['tuic://0b1c:geheim@host:443', 'tuic://***'],
  ['email.password: is missing; password: geheim', 'email.password: is missing; password: ***'],
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
  'postgres://db:5432/perennial refused anna@example.net',
  'token refused: ask for a new one',
  'the token "test" lacks the scope metrics',
  'password authentication failed for user "u"',
  'two URLs: https://a.example:443/x and https://b.example:444/y',
  'http://127.0.0.1:8080/v1/customers/7',
  '{"url":"https://a.example:x","by":"anna@example.net"}',
  'anna@example.net wrote at 2026-11-24T09:00:00.000Z',
  'needs a valid token, as "Authorization: Bearer prn_…"',
])('%s stays as it is', (text) => {
  expect(maskSecrets(text)).toBe(text);
});

test('a password in a URL never stays, with any characters', () => {
  const seed = readSeed();
  fc.assert(
    fc.property(fc.stringMatching(/^[!#-&(-;=?-_a-z{-~]{1,20}$/), (noise) => {
      const masked = maskSecrets(`cannot open postgres://u:Geheim1${noise}@db:5432/x now`);
      expect(masked).not.toContain('Geheim1');
    }),
    { seed, numRuns: 300 },
  );
});

test('a line of JSON stays JSON after any mask', () => {
  const seed = readSeed();
  const secret = fc.constantFrom(
    'postgres://u:ge"heim@db',
    'postgres://u:ge heim',
    'password="',
    'password="ge heim"',
    "password='ge heim'",
    'PGPASSWORD=ge heim',
    'token:',
    'password: geheim',
    'anna@example.net',
  );
  const line = fc.dictionary(fc.constantFrom('password', 'token', 'msg', 'url', 'n'), secret);
  fc.assert(
    fc.property(line, fc.constantFrom(null, 7), (fields, value) => {
      const masked = maskSecrets(JSON.stringify({ ...fields, secret: value, last: fields }));
      expect(Object.keys(JSON.parse(masked) as object)).toContain('last');
    }),
    { seed, numRuns: 300 },
  );
});
