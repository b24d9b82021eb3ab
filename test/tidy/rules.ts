import { findCycles, findUpwardImports, findWorkerImports } from './direction.ts';
import { isTest, type Source } from './source.ts';
import { transactionRules } from './transactions.ts';

// How the program is laid out (docs/architecture.md) and reads (docs/writing.md), as far as a
// machine can tell.

export interface Rule {
  readonly title: string;
  /** What is wrong, as `path: why`. */
  readonly broken: (sources: readonly Source[]) => readonly string[];
  /** A file that breaks it: each rule is shown to be able to fail. */
  readonly planted: readonly (readonly [path: string, text: string])[];
}

/** Where a pattern may stand, with the reason: a file, or a folder that ends in a slash. */
type AllowedPlaces = Readonly<Record<string, string>>;

const isWithin = (path: string, places: AllowedPlaces): boolean =>
  Object.keys(places).some((place) =>
    place.endsWith('/') ? path.startsWith(place) : path === place,
  );

const withoutTests = (sources: readonly Source[]) => sources.filter(({ path }) => !isTest(path));

function forbidOutside(pattern: RegExp, places: AllowedPlaces): Rule['broken'] {
  return (sources) =>
    withoutTests(sources)
      .filter(({ path, code }) => !isWithin(path, places) && pattern.test(code))
      .map(({ path, code }) => `${path}: ${pattern.exec(code)?.[0].trim()}`);
}

function forbidPackageOutside(name: RegExp, places: AllowedPlaces): Rule['broken'] {
  return (sources) =>
    withoutTests(sources).flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => name.test(target) && !isWithin(path, places))
        .map(({ target }) => `${path}: imports ${target}`),
    );
}

/** Each place where a failure may be caught, and why there (design, faults). */
const catchPlaces: AllowedPlaces = {
  'config.ts': 'edge: a file that is not there',
  'db/connect.ts': 'what failed inside an open transaction is undone, and thrown on',
  'db/embedded.ts': 'edge: folders and processes',
  'db/embedded/': 'edge: folders and processes',
  'db/machine.ts': 'edge: a file that only Linux has',
  'db/migrate.ts': 'edge: says what a server refused',
  'db/open.ts': 'edge: says what a server refused',
  'db/wake.ts': 'a wake-up that fails is logged: it costs a tick',
  'workers/raise-alarms/watchdog.ts': 'a look that fails is logged, and the next one follows',
  'db/session-check.ts': 'a pooler that has no backend in time is told apart from a failure',
  'subscription/preview.ts': 'a dry run rolls its transaction back by an error of its own',
  'workers/runner.ts': 'the runner: faults are told apart here',
  'workers/clock-sentinel.ts': 'a look that the database refuses is followed by another one',
  'workers/isolation.ts': 'the runner: a failed half is halved again',
  'workers/replica.ts': 'the runner: a connection that is held breaks',
  'workers/keep-node/': 'the keeper: faults of a node and of the books are told apart here',
  'workers/deliver-notifications/': 'a fault of a gateway is told apart from that of the books',
  'workers/raise-alarms/': 'a failure is written into the record of its run',
  'workers/reconcile-xray-state/': 'a fault of one node is told apart from that of the books',
  'catalog/links.ts': 'a node whose settings are wrong spoils its own link alone',
  'transfer/': 'edge: bytes and values of a file',
  'notify/texts/values.ts': 'a stored list that is not JSON is shown as none',
  'kernel/time-zone.ts': 'Intl has no other way to ask whether it knows a time zone',
  'queue.ts': 'edge: the queue',
  'log-text.ts': 'a line that is not JSON is printed as it is',
  'test-clock.ts': 'a tick that fails is made up by the next one',
  'db/alone.ts': 'a server that cannot be reached has no statement to cancel',
  'demo/made-books.ts': 'edge: a folder',
  'main.ts': 'edge: a fault becomes a sentence and an exit code',
  'cli/': 'edge: a fault becomes a sentence and an exit code',
  'http/': 'edge: a fault becomes an answer',
  'notify/channels/': 'edge: a gateway',
  'xray/': 'edge: a gateway',
};

/** Each place that may wait for time to pass. */
const waitPlaces: AllowedPlaces = {
  'db/embedded.ts': 'polls another process, bounded',
  'db/embedded/cluster.ts': 'polls a server that is ending, bounded',
  'db/migrate.ts': 'tries again after a lock of another session, bounded',
  'db/wake.ts': 'gathers wake-ups for 50 ms',
  'queue.ts': 'schedules',
  'db/queue-clock.ts': 'the timers of the scheduler',
  'outage.ts': 'probes a database that is away',
  'test-clock.ts': 'moves the stored clock of a test database',
  'cli/until-reachable.ts': 'waits for PostgreSQL, bounded',
  'cli/run.ts': 'shows progress',
  'cli/demo.ts': 'ends the demo',
  'notify/channels/': 'gives up a send without an answer',
  'cli/signals.ts': 'ends a stop that takes too long',
  'demo/drive.ts': 'virtual time goes at the pace of an eye',
  'app.ts': 'schedules',
  'workers/runner.ts': 'yields between batches',
  'workers/bell.ts': 'whoever holds a post waits for work',
  'xray/grpc/exchange.ts': 'gives up a call without an answer',
  'xray/grpc/connect.ts': 'gives up a connection that never comes about',
};

/** Shapes of what a rule is asked about come from the tables and settings; nothing that runs. */
function canRuleImport(target: string, typeOnly: boolean): boolean {
  if (/^(kernel\/|subscription\/(renewal|price|price-cap)\.ts$)/.test(target)) return true;
  if (/^notify\/(choice|kinds|quiet|reminder-times|turns|refreshing)\.ts$/.test(target))
    return true;
  return (
    typeOnly &&
    /^(db\/schema|db\/schema-prices|notify\/(alarms|notice-facts|channels\/channel)|subscription\/(settings|outlook))\.ts$/.test(
      target,
    )
  );
}

const sqlPattern =
  /\bsql(?:<[^`]*>)?`|\b(?:SELECT\s[\s\S]{1,400}?\sFROM\s|INSERT INTO\s|DELETE FROM\s|UPDATE\s+\S+\s+SET\s)/;

export const rules: readonly Rule[] = [
  {
    title: 'imports point down: kernel ← subscription ← rule ← store, worker ← app ← main',
    broken: (sources) => findUpwardImports(withoutTests(sources)),
    planted: [['kernel/a.ts', "import type { Db } from '../db/connect.ts';"]],
  },
  {
    title: 'a file that writes the timeline takes a time that may be written',
    broken: (sources) =>
      withoutTests(sources)
        .filter(({ path }) => path !== 'subscription/command.ts')
        .filter(({ code }) => /\brecord\(tx/.test(code) && /\breadClock\(tx\)/.test(code))
        .map(({ path }) => `${path}: readClock(tx); expected readWriteTime or readTrustedTime`),
    planted: [['tokens/a.ts', 'await record(tx, [event], actor, await readClock(tx));']],
  },
  {
    title: 'worker folders do not import each other',
    broken: findWorkerImports,
    planted: [['workers/a/worker.ts', "import { b } from '../b/store.ts';"]],
  },
  {
    title: 'no import cycles, types included',
    broken: findCycles,
    planted: [
      ['db/a.ts', "import { b } from './b.ts';"],
      ['db/b.ts', "import type { C } from './c.ts';"],
      ['db/c.ts', "export const load = () => import('./a.ts');"],
    ],
  },
  {
    title: 'a rule is pure: it knows the kernel and other rules',
    broken: (sources) =>
      sources
        .filter(({ path }) =>
          /^(workers\/[^/]+\/rule|subscription\/(renewal|price|price-cap)|notify\/(judging|turns|refreshing|quiet|reminder-times))\.ts$/.test(
            path,
          ),
        )
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ target, typeOnly }) => !canRuleImport(target, typeOnly))
            .map(({ target }) => `${path}: imports ${target}`),
        ),
    planted: [
      ['subscription/renewal.ts', "import type { Tx } from '../db/connect.ts';"],
      ['notify/judging.ts', "import type { Tx } from '../db/connect.ts';"],
      ['workers/a/rule.ts', "import { readSettings } from '../../subscription/settings.ts';"],
    ],
  },
  {
    title: 'the kernel touches neither files nor the network',
    broken: (sources) =>
      withoutTests(sources)
        .filter(({ path }) => path.startsWith('kernel/'))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ target, inside }) => !inside && target !== 'node:crypto')
            .map(({ target }) => `${path}: imports ${target}`),
        ),
    planted: [['kernel/a.ts', "import { readFileSync } from 'node:fs';"]],
  },
  {
    title: 'only config.ts reads the environment',
    broken: forbidOutside(/process\s*\.\s*env\b|\benv\b[^;]*from 'node:process'/, {
      'config.ts': 'the one',
    }),
    planted: [['cli/a.ts', 'const home = process.env.HOME;']],
  },
  {
    title: "only db/ reads the clock, the machine's and the server's",
    broken: forbidOutside(
      /Date\.now\b|new Date\(\s*\)|\bDate\(\)|(?<![.\w]|get )(?:now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)|\b(?:CURRENT_TIMESTAMP|CURRENT_DATE|LOCALTIMESTAMP)\b/,
      { 'db/': 'the one' },
    ),
    planted: [
      ['subscription/a.ts', 'sql`UPDATE perennial.subscription SET expires_at = now()`'],
      ['workers/b.ts', 'const at = Date.now();'],
      ['cli/c.ts', 'const at = new Date();'],
    ],
  },
  {
    title: 'only queue.ts imports pg-boss',
    broken: forbidPackageOutside(/^pg-boss/, { 'queue.ts': 'the one' }),
    planted: [['workers/a.ts', "import PgBoss from 'pg-boss';"]],
  },
  {
    title: 'only xray/ imports gRPC and HTTP/2',
    broken: forbidPackageOutside(/^(@grpc\/|node:http2$)/, { 'xray/': 'the one' }),
    planted: [
      ['workers/keep-node/worker.ts', "import { Client } from '@grpc/grpc-js';"],
      ['audit/a.ts', "import { connect } from 'node:http2';"],
    ],
  },
  {
    title: 'only notify/channels/ imports Telegram and mail',
    broken: forbidPackageOutside(/^(grammy|nodemailer)/, { 'notify/channels/': 'the one' }),
    planted: [['notify/outbox.ts', "import { Api } from 'grammy';"]],
  },
  {
    title: 'only http/ imports the HTTP server and the metrics library',
    broken: forbidPackageOutside(/^(@?fastify|prom-client)/, { 'http/': 'the one' }),
    planted: [['cli/a.ts', "import fastify from 'fastify';"]],
  },
  {
    title: 'the program imports no test and no test library',
    broken: (sources) =>
      withoutTests(sources).flatMap(({ path, imports }) =>
        imports
          .filter(({ target }) => /\.test\.ts$|^vitest|^fast-check|^\.\.\/test\//.test(target))
          .map(({ target }) => `${path}: imports ${target}`),
      ),
    planted: [['app.ts', "import { freshBooks } from '../test/books.ts';"]],
  },
  {
    title: 'no OFFSET: pages are by key',
    broken: forbidOutside(/\bOFFSET\s+[$\d(:]|\.offset\(/i, {}),
    planted: [['audit/a.ts', 'sql`SELECT id FROM perennial.customer LIMIT 10 OFFSET 20`']],
  },
  {
    title: 'nothing waits without a bound, and only a few places wait at all',
    broken: (sources) => [
      ...forbidOutside(/Atomics\.wait\b|pg_sleep\b/, {})(sources),
      ...forbidPackageOutside(/kernel\/timer\.ts$/, waitPlaces)(sources),
    ],
    planted: [
      ['subscription/a.ts', 'Atomics.wait(cell, 0, 0);'],
      ['subscription/b.ts', "import { pause } from '../kernel/timer.ts';"],
    ],
  },
  {
    title: 'only kernel/timer.ts makes timers, so that no wait is longer than a timer can be',
    broken: forbidOutside(/timers\/promises|\bset(?:Timeout|Interval)\(|AbortSignal\.timeout\b/, {
      'kernel/timer.ts': 'the one',
    }),
    planted: [
      ['workers/a.ts', 'setTimeout(end, ms);'],
      ['http/b.ts', 'const late = AbortSignal.timeout(ms);'],
      ['queue.ts', "import { setTimeout as pause } from 'node:timers/promises';"],
    ],
  },
  {
    title: 'failures are caught only where they are told apart or said',
    broken: forbidOutside(/\bcatch\b/, catchPlaces),
    planted: [
      ['subscription/a.ts', 'try { pay(); } catch { skipped += 1; }'],
      ['workers/a/worker.ts', 'await send().catch(() => undefined);'],
    ],
  },
  ...transactionRules,
  {
    title: 'SQL stands in stores, not in rules, workers, the command line or HTTP',
    broken: (sources) =>
      withoutTests(sources)
        .filter(({ path }) =>
          /^(kernel|cli|http)\/|^(main|config)\.ts$|^workers\/[^/]+\/(rule|worker)\.ts$|^subscription\/(renewal|price|price-cap)\.ts$|^notify\/(judging|turns|refreshing)\.ts$/.test(
            path,
          ),
        )
        .filter(({ code }) => sqlPattern.test(code))
        .map(({ path, code }) => `${path}: ${sqlPattern.exec(code)?.[0].slice(0, 60)}`),
    planted: [
      ['workers/a/worker.ts', 'await sql<Row>`SELECT 1`.execute(db);'],
      ['cli/show.ts', "client.query('SELECT id FROM perennial.customer')"],
    ],
  },
  {
    title: 'a file is named for what it is: no util, common, helper, manager, service',
    broken: (sources) =>
      sources
        .map(({ path }) => path)
        .filter((path) =>
          /(^|[/.-])(utils?|commons?|helpers?|managers?|services?|misc)[/.-]/.test(path),
        ),
    planted: [['db/string-utils.ts', '']],
  },
  {
    title: 'no barrels but the two lists',
    broken: forbidOutside(/^export (?:type )?(?:\*|\{[^}]*\}) from/m, {
      'workers/index.ts': 'a list',
      'notify/channels/index.ts': 'a list',
    }),
    planted: [['db/index.ts', "export * from './connect.ts';"]],
  },
  {
    title: 'no file over 300 lines',
    broken: (sources) =>
      sources
        .filter(({ lines }) => lines > 300)
        .map(({ path, lines }) => `${path}: ${lines} lines`),
    planted: [['db/a.ts', '\n'.repeat(301)]],
  },
];
