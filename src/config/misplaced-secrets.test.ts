import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDatabaseUrl, describeDatabase } from '../db/database-url.ts';
import { loadConfig, parseConfig } from './config.ts';

// A secret in the wrong place of the configuration is refused, and never printed.

const bot = '123456789:AAF-geheim_geheim_geheim_geheim_12';

const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

test.for([
  `telegram: "${bot}"`,
  `telegram: geheim`,
  `telegram: { token: [geheim] }`,
  `telegram: { token: x, admins: "${bot}" }`,
  `telegram: { token: x, admins: ["${bot}"] }`,
  `telegram: { token: x, api: "${bot}" }`,
  `telegram: { "${bot}": x }`,
  `telegram: { token: x, bot: geheim }`,
  `"${bot}": telegram`,
  `installation: "${bot}"`,
  `currency: "${bot}"`,
  `plans: "${bot}"`,
  'email: smtp://user:geheim@mail.example:587',
  'email: smtp://user:ge@geheim@mail.example:587',
  'email: { url: "user:geheim@mail.example", from: abc }',
  'email: { url: smtp://a:b@c, from: abc, admins: smtp://user:geheim@mail.example }',
  'database: { url: postgres://u:geheim@db/x }',
  'database: [postgres://u:geheim@db/x]',
  'http: postgres://u:geheim@db/x',
  'http: { host: 127.0.0.1, port: "postgres://u:geheim@db/x" }',
  'currency: postgres://u:geheim@db/x',
  `workers: { "${bot}": {} }`,
  `telegram: "${bot}" "geheim"`,
  `telegram: { token: "geheim`,
])('%s: the message has no secret', (text) => {
  const message = messageOf(() => parseConfig(`${text}\n`, 'perennial.yaml', {}, ['auto-renewal']));
  expect(message).toMatch(/^perennial\.yaml: /);
  expect(message).not.toContain('geheim');
});

test.for([
  'postgres://u:geheim/1@db/x',
  'postgres://u:1234/geheim@db/x',
  'postgres://u:1234#geheim@db/x',
  'postgres://u:1234?geheim@db/x',
  'postgres://u:geheim@db:port/x',
  'mysql://u:geheim@db/x',
  'host=db password=geheim',
  'geheim',
])('the database %s is refused without its password', (url) => {
  const message = messageOf(() => checkDatabaseUrl(url));
  expect(message).toMatch(/^database: /);
  expect(message).not.toContain('geheim');
  expect(describeDatabase(url)).not.toMatch(/geheim|1234/);
});

test('a raw @ in a password is understood, and an odd % in a name is no fault', () => {
  checkDatabaseUrl('postgres://u:p@ss@db/x');
  expect(describeDatabase('postgres://u:p@ss@db/x')).toBe('db:5432/x');
  expect(describeDatabase('postgres://u:p@db/100%x')).toBe('db:5432/100%x');
});

test('a file with a secret that every user can read is reported, with the command that helps', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'perennial-exposed-')), 'perennial.yaml');
  const env = { TOKEN: bot };
  const exposedBy = (text: string, mode: number): readonly string[] => {
    writeFileSync(path, text);
    chmodSync(path, mode);
    return loadConfig({ config: path }, env).exposed ?? [];
  };
  const plain = `telegram: { token: "${bot}" }\ndatabase: postgres://u:geheim@db/x\n`;
  expect(exposedBy(plain, 0o644)).toEqual([
    `${path}: every user of this machine can read this file with a secret (telegram.token, database); run "chmod o-r ${path}"`,
  ]);
  for (const url of ['postgres://db/x?user=u&password=geheim', 'postgres://u:ge heim@db/x']) {
    expect(exposedBy(`database: ${url}\n`, 0o644)).toEqual([
      expect.stringContaining('with a secret (database)'),
    ]);
  }
  expect(exposedBy('database: postgres://db:5432/x\n', 0o644)).toEqual([]);
  expect(exposedBy(plain, 0o640)).toEqual([]);
  const byVariable = `telegram: { token: "\${TOKEN}" }\ndatabase: postgres://u@db/x\n`;
  expect(exposedBy(byVariable, 0o644)).toEqual([]);
  const key = join(path, '..', 'key.pem');
  writeFileSync(key, 'key');
  chmodSync(key, 0o644);
  const withKey = 'http: { tls: { cert: cert.pem, key: key.pem } }\n';
  expect(exposedBy(withKey, 0o600)).toEqual([expect.stringContaining('(http.tls.key)')]);
});
