import { expect, test } from 'vitest';
import { isLoopback, isPublicHost } from './host.ts';

test.each<[string, 'loopback' | 'inner' | 'public']>([
  ['', 'loopback'],
  ['/run/postgresql', 'loopback'],
  ['localhost', 'loopback'],
  ['db.localhost.', 'loopback'],
  ['127.8.0.1', 'loopback'],
  ['::1', 'loopback'],
  ['[::1]', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['db', 'inner'],
  ['NODE.local', 'inner'],
  ['10.0.0.2', 'inner'],
  ['100.64.0.1', 'inner'],
  ['100.128.0.1', 'public'],
  ['172.15.255.255', 'public'],
  ['172.16.0.0', 'inner'],
  ['172.31.255.255', 'inner'],
  ['172.32.0.0', 'public'],
  ['192.168.1.1', 'inner'],
  ['169.254.1.1', 'inner'],
  ['fd00::2', 'inner'],
  ['fe80::1', 'inner'],
  ['::ffff:10.0.0.1', 'inner'],
  ['203.0.113.5', 'public'],
  ['2001:db8::1', 'public'],
  ['::ffff:203.0.113.5', 'public'],
  ['nl1.example.net', 'public'],
])('%s is %s', (host, kind) => {
  expect([isLoopback(host), isPublicHost(host)]).toEqual([kind === 'loopback', kind === 'public']);
});
