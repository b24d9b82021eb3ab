import { expect, test } from 'vitest';
import { minuteMs } from '../kernel/instant.ts';
import { isNetwork } from '../kernel/network.ts';
import { computeAllowedMethods } from './allowed-methods.ts';
import { toClientNetwork } from './client-network.ts';
import { RateLimiter } from './rate-limiter.ts';
import { RefusalLog } from './refusal-log.ts';

test.for<[string, string | undefined]>([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:0db8:0000:0000:ffff::', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::10.0.0.1', '64:ff9b:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['unknown', undefined],
  ['', undefined],
])('the limit of %s counts for %s', ([address, network]) => {
  expect(toClientNetwork(address)).toBe(network);
});

test.for<[string, boolean]>([
  ['10.0.0.1', true],
  ['10.0.0.0/8', true],
  ['10.0.0.0/33', false],
  ['256.0.0.1', false],
  ['2001:db8::/32', true],
  ['2001:db8::/129', false],
  ['2001:db8:::1', false],
  ['loopback', true],
  ['all', false],
  ['proxy.example.net', false],
])('%s can be a trusted proxy: %s', ([text, isOne]) => {
  expect(isNetwork(text)).toBe(isOne);
});

test('a limit counts each key by itself, and starts again after a minute of a monotonic clock', () => {
  let now = 0;
  const limiter = new RateLimiter(() => now);
  const exceeded = (key: string) => limiter.count(key, 2).isExceeded;
  expect([exceeded('a'), exceeded('a'), exceeded('a'), exceeded('b')]).toEqual([
    false,
    false,
    true,
    false,
  ]);
  now = minuteMs - 1;
  expect(limiter.count('a', 2)).toMatchObject({ isExceeded: true, remaining: 0, resetS: 1 });
  now = minuteMs;
  expect(limiter.count('a', 2)).toMatchObject({ isExceeded: false, remaining: 1, resetS: 60 });
});

test('refused tokens are logged once a minute for each address and token, and 20 in all', () => {
  let now = 0;
  const lines: object[] = [];
  const log = { warn: (fields: object) => void lines.push(fields) } as never;
  const refused = new RefusalLog(log, 'token refused', () => now);
  for (let n = 0; n < 3; n += 1) refused.add('10.0.0.1', 'AbCd1234', '/v1/plans');
  expect(lines).toEqual([{ address: '10.0.0.1', id: 'AbCd1234', route: '/v1/plans', leftOut: 0 }]);
  for (let n = 0; n < 100; n += 1) refused.add(`10.0.1.${n}`, undefined, '/v1/plans');
  expect(lines).toHaveLength(20);
  now = minuteMs;
  refused.add('10.0.0.1', undefined, '(none)');
  expect(lines.at(-1)).toMatchObject({ id: null, leftOut: 81 });
});

test.for<[string, string[]]>([
  ['/v1/customers/7', ['GET', 'HEAD', 'PATCH']],
  ['/v1/customers', ['POST']],
  ['/v1/customers/', []],
  ['/v1/customers/7/nothing', []],
  ['/', []],
])('the methods of %s are %j', ([path, methods]) => {
  const known = [
    { method: 'POST', path: '/v1/customers' },
    { method: 'GET', path: '/v1/customers/{telegram_id}' },
    { method: 'PATCH', path: '/v1/customers/{telegram_id}' },
  ];
  expect(computeAllowedMethods(known, path)).toEqual(methods);
});
