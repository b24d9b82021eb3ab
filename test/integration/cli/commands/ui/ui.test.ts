import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { signIn } from '../../../../../src/operators/session.ts';
import { enterCommandFolder, runLine } from '../../../../support/command-line.ts';

// `perennial ui`: links, sessions and sign-outs on the command line.

const { folder, database } = await enterCommandFolder();

const writeConfig = (text: string) =>
  writeFileSync(
    join(folder, 'perennial.yaml'),
    `database: ${JSON.stringify(database.url)}\n${text}\n`,
  );

test('`ui link` prints a link of ui.url once, and `ui sessions` and `ui sign-out` end its session', async () => {
  writeConfig('ui: { url: "https://panel.example.com" }');
  const { code, out } = await runLine('ui link "Anna, laptop" --role sell');
  expect(code).toBe(0);
  const [url = '', text] = out.split('\n');
  expect(url).toMatch(/^https:\/\/panel\.example\.com\/ui\/sign-in#prl_\w{46}$/);
  expect(text).toMatch(/^for "Anna, laptop" \(sell\), once, until .*Z\. It is not shown again\.$/);
  expect((await runLine('ui sessions')).out).toMatch(/^no sessions; .*"perennial ui link"/);
  const outcome = await signIn(database.db, url.split('#')[1] ?? '', undefined);
  if (outcome.is === 'refused') throw new Error(outcome.code);
  const { id } = outcome.session;
  const table = (await runLine('ui sessions')).out;
  expect(table).toMatch(/^ID +NAME +ROLE +SIGNED IN +EXPIRES +LAST USED\n/);
  expect(table).toMatch(new RegExp(`\n${id} +Anna, laptop +sell +20\\S+Z +20\\S+Z +never\n`));
  const json = JSON.parse((await runLine('ui sessions --json')).out);
  expect(json).toMatchObject([{ id, name: 'Anna, laptop', scope: 'sell', last_used_at: null }]);
  expect((await runLine(`ui sign-out ${id}`)).out).toBe('1 session ended\n');
  const again = await runLine(`ui sign-out ${id}`);
  expect([again.code, again.err]).toEqual([1, expect.stringMatching(/is not a valid session/)]);
});

test('`ui sign-out --name` ends each session and unused link of the name, and no other', async () => {
  writeConfig('ui:');
  const link = async (name: string) =>
    JSON.parse((await runLine(`ui link ${name} --role admin --expires 1h --json`)).out);
  const first = await link('Boris');
  expect(first).toMatchObject({ name: 'Boris', scope: 'admin' });
  expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:8080\/ui\/sign-in#prl_/);
  expect(Date.parse(first.expires_at) - Date.parse(first.created_at)).toBe(3_600_000);
  await link('Boris');
  const other = await link('Clara');
  const opened = await signIn(database.db, first.url.split('#')[1], undefined);
  expect(opened.is).toBe('opened');
  expect((await runLine('ui sign-out --name Boris')).out).toBe('1 session ended, 1 link revoked\n');
  expect((await runLine('ui sign-out --name Boris')).err).toMatch(/"Boris" has no valid session/);
  expect((await signIn(database.db, other.url.split('#')[1], undefined)).is).toBe('opened');
  for (const words of ['ui sign-out', 'ui sign-out abcdefgh --name Clara']) {
    const { code, err } = await runLine(words);
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/expected the id of a session, or --name/),
    ]);
  }
});

test('a configuration without a known address of the dashboard is refused by `ui link`', async () => {
  for (const http of ['host: 0.0.0.0', 'port: 0']) {
    writeConfig(`ui: {}\nhttp: { ${http} }`);
    const { code, err } = await runLine('ui link Anna --role read');
    expect([code, err]).toEqual([2, expect.stringMatching(/ui\.url: is not set/)]);
  }
  for (const url of [
    'https://panel.example.com/ui',
    'panel.example.com',
    'ftp://x',
    'https://a@b',
  ]) {
    writeConfig(`ui: { url: "${url}" }`);
    const { code, err } = await runLine('ui link Anna --role read');
    expect([code, err]).toEqual([2, expect.stringMatching(/ui\.url: is not an origin; expected/)]);
  }
});
