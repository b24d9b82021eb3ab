import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freshBooks } from '../books.ts';
import { asOwner, bookState, fillDue } from './due-book.ts';
import { perennial } from './process.ts';

// Processes start and end here, on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

// The next version of the program: this one with another number and a migration more, as an upgrade
// brings it while replicas of this version go on.

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'perennial-next-'));
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'perennial', version: '99.1.0', type: 'module' }),
  );
  const migrations = join(folder, 'src', 'db', 'migrations');
  const number = String(readdirSync(migrations).length + 1).padStart(3, '0');
  writeFileSync(
    join(migrations, `${number}-next.sql`),
    `-- oldest-program: 0.1.0\nALTER TABLE perennial.subscription ADD COLUMN next_version text;\n`,
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const next = () => join(folder, 'src', 'main.ts');

test('P10: versions N−1 and N side by side on N’s schema renew each period exactly once', async () => {
  await using books = await freshBooks();
  await using before = perennial(['start'], {
    url: books.url,
    autoRenewal: 'every: 1s, batch: 10',
  });
  await before.ready();

  // The upgrade: N's migration, while N−1 works.
  const migrated = perennial(['migrate'], { url: books.url, entry: next() });
  expect(await migrated.exit).toMatchObject({ code: 0 });
  await using after = perennial(['start'], {
    url: books.url,
    entry: next(),
    autoRenewal: 'every: 1s, batch: 10',
  });
  await after.ready();
  await fillDue(books.url, 200);
  // Two more runs beside the service's, one of each version, at the same time.
  const runs = [undefined, next()].map((entry) =>
    perennial(['run', 'auto-renewal', '--json'], {
      url: books.url,
      autoRenewal: 'batch: 10',
      ...(entry === undefined ? {} : { entry }),
    }),
  );
  for (const run of runs) expect(await run.exit).toMatchObject({ code: 0 });
  expect(await bookState(books.url)).toMatchObject({ renewals: 200, due: 0, wrong: [] });

  // N−1 may also start on N's schema: a rollback of the program needs none of the database.
  await using back = perennial(['start'], { url: books.url });
  await back.ready();
  for (const service of [before, after, back]) {
    service.kill('SIGTERM');
    expect(await service.exit).toMatchObject({ code: 0 });
  }
});

test('P10: a version that is too old for the schema refuses to start', async () => {
  await using books = await freshBooks();
  await asOwner(books.url, (client) =>
    client.query(`INSERT INTO perennial.migration (version, name, checksum, oldest_program)
      SELECT max(version) + 1, 'later', 'x', '99.0.0' FROM perennial.migration`),
  );
  const { code, err } = await perennial(['start'], { url: books.url }).exit;
  expect(code).toBe(2);
  expect(err).toMatch(/needs perennial 99\.0\.0 or newer; upgrade the program/);
});
