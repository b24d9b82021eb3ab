import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { beforeAll, describe, expect, test, vi } from 'vitest';

import { startEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { checkServer } from '../../src/db/preflight.ts';
import {
  enterCommandFolder,
  type Outcome,
  readAllTables,
  runLine,
} from '../support/command-line.ts';
import { createDatabase } from '../support/database.ts';
import { root } from '../support/repository.ts';

// Wrong inputs: one sentence names the key or the place and the remedy. The exit code is 2, or 1 if
// the request failed. There is no stack, and nothing changes.

const { folder, database } = await enterCommandFolder();

const catalog = `plans:
  basic: { title: Basic, groups: [all], prices: { RUB: { 30: 149, 90: 399 } } }
  plus: { title: Plus, groups: [all, fast], prices: { RUB: { 30: 299 } } }
`;

beforeAll(async () => {
  writeFileSync('perennial.yaml', `database: ${database.url}\n${catalog}`);
  for (const line of [
    'apply perennial.yaml --yes',
    'customer create 7',
    'customer top-up 7 1000',
    'customer purchase 7 --plan plus --days 30',
    'customer purchase 7 --plan basic --days 90 --new',
  ]) {
    // `apply` warns that no node has the groups of these plans.
    expect(await runLine(line)).toMatchObject({ code: 0 });
  }
});

function expectRefusal({ code, err }: Outcome, wantedCode: number, sentence: RegExp): void {
  expect(err).toMatch(sentence);
  expect(code).toBe(wantedCode);
  const [sentenceText, hint, ...more] = err.trim().split('\n');
  expect(sentenceText).toMatch(/^perennial: /);
  expect(hint ?? 'See "perennial --help".').toMatch(/^See "perennial .*--help"\.$/);
  expect(more).toEqual([]);
  expect(err).not.toMatch(/^ +at /m);
}

describe('a wrong configuration', () => {
  test.each([
    ['databse: embedded\n', /wrong\.yaml: .*there is no key "databse"; available: .*database/],
    ['database: embedded\nrenewal: { window: 6 }\n', /: renewal\.window: 6 is not a duration.*6h/],
    [
      'database: embedded\nworkers: { auto-renewl: {} }\n',
      /: workers\.auto-renewl: .*auto-renewal/,
    ],
    ['database: [a\n', /wrong\.yaml: is not YAML \(.*line 2/],
    ['currency: RUB\n', /wrong\.yaml: database: is not set; expected "embedded" or a URL/],
    ['database: mysql://root:geheim@db/x\n', /database: is not a URL of PostgreSQL/],
    [
      'plans: { a: { title: A, groups: [all], prices: { RUB: { 30: -5 } } } }\n',
      /: plans\.a\.prices\.RUB\.30: "-5" is not a price; expected an amount above 0/,
    ],
  ])('%j is refused in one sentence that names the place', async (text, sentence) => {
    writeFileSync('wrong.yaml', text);
    const sentenceText = await runLine('plan list --config wrong.yaml');
    expectRefusal(sentenceText, 2, sentence);
    expect(sentenceText.err).not.toContain('geheim');
    expect(readdirSync('.')).not.toContain('data');
  });

  test('without a configuration, the sentence names the file, --config and DATABASE_URL', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    process.chdir(empty);
    const sentenceText = await runLine('plan list');
    process.chdir(folder);
    expectRefusal(
      sentenceText,
      2,
      /perennial\.yaml: is not in this folder; .*--config.*DATABASE_URL/,
    );
  });
});

describe('an unusable database', () => {
  const at = async (url: string, line = 'plan list') => {
    vi.stubEnv('DATABASE_URL', url);
    try {
      return await runLine(line);
    } finally {
      vi.stubEnv('DATABASE_URL', undefined);
    }
  };

  test('a closed port is refused, and the sentence contains no password', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => closed.once('listening', done));
    const { port } = closed.address() as { port: number };
    await new Promise((done) => closed.close(done));
    const sentenceText = await at(`postgres://me:geheim@127.0.0.1:${port}/shop`, 'migrate');
    expectRefusal(sentenceText, 2, new RegExp(`127.0.0.1:${port}/shop: no server answers; start`));
    expect(sentenceText.err).not.toContain('geheim');
  });

  test('a read-only database is refused', async () => {
    await using other = await createDatabase();
    const name = new URL(other.url).pathname.slice(1);
    await other.pool.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    expectRefusal(await at(other.url), 2, /nothing can be written; use a writable primary/);
    expectRefusal(await at(other.url, 'migrate'), 2, /use a writable primary/);
  });

  test('PostgreSQL 14 is refused as too old', async () => {
    const old = { version: 14, standby: false, read_only: false };
    const check = checkServer({ query: async () => ({ rows: [old] }) }, 'db:5432/shop');
    await expect(check).rejects.toMatchObject({
      name: 'UsageFault',
      message: 'database db:5432/shop: is PostgreSQL 14; expected 15 or newer',
    });
  });

  test('a database of another program is refused and stays as it was', async () => {
    await using other = await createDatabase({ isEmpty: true });
    await other.pool.query('CREATE SCHEMA perennial CREATE TABLE plan (name text)');
    for (const line of ['plan list', 'migrate', 'start']) {
      expectRefusal(await at(other.url, line), 2, /was not made by this program; use another/);
    }
    expect(await readAllTables(other.url)).toEqual({ plan: null });
  });

  test('an empty database is refused, and the sentence names `perennial migrate`', async () => {
    await using other = await createDatabase({ isEmpty: true });
    for (const line of ['plan list', 'start']) {
      const refused = /contains no schema of Perennial; run "perennial migrate"/;
      expectRefusal(await at(other.url, line), 2, refused);
    }
  });

  test('--now is refused on a database that is not a test, --test on a migrated database', async () => {
    await using other = await createDatabase({ isEmpty: true });
    await migrate(other.url);
    const before = await readAllTables(other.url);
    const now = '--now 2026-11-24T09:00:00Z';
    for (const line of ['plan list', 'run auto-renewal', 'customer show 7', 'migrate', 'audit']) {
      expectRefusal(await at(other.url, `${line} ${now}`), 2, /--now: this database is not a test/);
    }
    expectRefusal(await at(other.url, 'migrate --test'), 2, /--test marks only a new database/);
    expect(await readAllTables(other.url)).toEqual(before);
  });

  test('`start` refuses a database of a demo', async () => {
    await using other = await createDatabase();
    const client = await other.pool.connect();
    await client.query("UPDATE perennial.installation SET made_by = 'demo'");
    client.release();
    expectRefusal(
      await at(other.url, 'start'),
      2,
      /was made by "perennial demo".*expected another/,
    );
  });
});

describe('a data folder', () => {
  // Each command is a process, because a data folder belongs to one process.
  const run = (...args: string[]) => {
    const result = spawnSync(process.execPath, [join(root, 'bin/perennial.js'), ...args], {
      encoding: 'utf8',
      env: { ...process.env, DATABASE_URL: 'embedded', PERENNIAL_CONFIG: '' },
    });
    return { code: result.status as number, out: result.stdout, err: result.stderr };
  };

  test('a missing data folder is refused and not created', () => {
    vi.stubEnv('PERENNIAL_DATA_DIR', join(folder, 'nothing'));
    expectRefusal(
      run('plan', 'list'),
      2,
      /nothing: contains no database; .*run "perennial migrate"/,
    );
    expect(readdirSync(folder)).not.toContain('nothing');
  });

  test('a data folder in use is refused, and `demo` refuses the folder of a real database', async () => {
    const dataDir = join(folder, 'real');
    vi.stubEnv('PERENNIAL_DATA_DIR', dataDir);
    const server = await startEmbedded({ dataDir, owner: 'service', durable: false });
    try {
      await migrate(server.url);
      const before = await readAllTables(server.url);
      const inUse = new RegExp(`data folder ${dataDir}: .*process ${process.pid}.*database URL`);
      expectRefusal(run('start'), 2, inUse);
      expectRefusal(run('demo', '--seconds', '1'), 2, /not of a demo; expected another folder/);
      expect(await readAllTables(server.url)).toEqual(before);
    } finally {
      await server.stop();
    }
  }, 60_000);

  test('a file instead of a data folder is refused with its path', () => {
    const file = join(folder, 'perennial.yaml');
    vi.stubEnv('PERENNIAL_DATA_DIR', file);
    expectRefusal(run('migrate'), 2, new RegExp(`data folder ${file}: .*PERENNIAL_DATA_DIR`));
  });
});

describe('a wrong request', () => {
  const only = (plan: string) =>
    catalog
      .split('\n')
      .filter((line) => !line.startsWith('  ') || line.startsWith(`  ${plan}`))
      .join('\n');
  const files: Readonly<Record<string, string>> = {
    'less.yaml': only('basic'),
    'dearer.yaml': catalog.replace('90: 399', '60: 300'),
    'gold.yaml': `${catalog}trial: { plan: gold, days: 3 }\n`,
    'trial.yaml': 'trial: { plan: gold, days: 3 }\n',
    'below.yaml': catalog.replace('149', '-149'),
  };
  beforeAll(() => {
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(name, `database: ${database.url}\n${text}`);
    }
    writeFileSync('customers.csv', 'telegram_id,plan\n7,basic\n');
  });

  test.each<[string, number, RegExp]>([
    [
      'apply less.yaml --yes',
      2,
      /plans\.plus: is missing, but 1 running subscription uses it .*--retire/,
    ],
    [
      'apply dearer.yaml --yes',
      2,
      /plans\.basic\.prices\.RUB\.90: is missing, but 1 .* is renewed by it .*--retire/,
    ],
    ['apply gold.yaml --yes', 2, /trial\.plan: "gold" is not a plan; available: basic, plus/],
    ['apply trial.yaml --yes', 2, /trial\.plan: "gold" is not a plan; available: basic, plus/],
    ['apply below.yaml --yes', 2, /plans\.basic\.prices\.RUB\.30: "-149" is not a price/],
    [
      'plan set-price basic -5 --days 30',
      2,
      /AMOUNT: "-5" is not a price; expected an amount above 0/,
    ],
    [
      'plan set-price basic 5 --days 30 --from 2020-01-01T00:00:00Z',
      1,
      /--from: .* is not a future time/,
    ],
    [
      'customer top-up 7 -5',
      1,
      /a top-up of -5.00 RUB is not possible; expected an amount above 0; .* adjust/,
    ],
    ['customer adjust 7 --reason x -- -99999', 1, /the balance is .*; it cannot become negative/],
    [
      'customer purchase 7 --plan basic --days 31 --new',
      1,
      /no price for 31 days in RUB; available: /,
    ],
    ['customer purchase 7 --plan basic --days 30', 1, /several subscriptions: .*--subscription/],
    ['customer set 7', 2, /nothing to set/],
    ['customer create 7', 1, /customer 7 exists already/],
    [
      'notice preview receipt --locale xx',
      2,
      /--locale: "xx" is not a language of the texts; available: en, ru/,
    ],
    ['frobnicate', 2, /"frobnicate" is not a command of "perennial"; available: demo, start/],
    ['customer top-up 7 5 --provider x', 2, /^perennial: --provider: has no effect without --ref/],
    ['customer top-up 7 5 --ref x', 2, /^perennial: --ref: has no effect without --provider/],
    [
      'customer change-plan 7 --plan basic --days 30 --forfeit --subscription 1',
      2,
      /^perennial: --forfeit: has no effect without --immediately, .* remove --forfeit/,
    ],
    ['customer purchase 7 --plan basic --days 30 --new --subscription 1', 2, /exclude each other/],
    ['apply perennial.yaml --yes --keep nl-9', 2, /--keep: "nl-9" is not a node; available: none/],
  ])('%s is refused and changes nothing', async (line, code, sentence) => {
    const before = await readAllTables(database.url);
    expectRefusal(await runLine(line), code, sentence);
    expect(await readAllTables(database.url)).toEqual(before);
  });

  test('an import with a wrong line names its place in the file and imports nothing', async () => {
    const before = await readAllTables(database.url);
    const { code, err } = await runLine('import customers.csv');
    expect(code).toBe(1);
    expect(err).toMatch(/^customers\.csv:1: kind is missing/m);
    expect(err).toMatch(/nothing was imported\n$/);
    expect(await readAllTables(database.url)).toEqual(before);
  });

  test.each(['customer show 7 --qr --json', 'audit --json --format html'])(
    '%s names two outputs, so it is refused',
    async (line) => {
      const { code, err } = await runLine(line);
      expect(code).toBe(2);
      expect(JSON.parse(err).error.code).toBe('two_targets');
    },
  );

  test('with --json a refusal is JSON with its code', async () => {
    const { code, err } = await runLine('customer show 8 --json');
    expect(code).toBe(1);
    expect(JSON.parse(err)).toEqual({
      error: {
        code: 'no_customer',
        message: expect.stringContaining('telegram_id: "8" is not a customer'),
      },
    });
  });
});
