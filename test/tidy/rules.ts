import { isTest, type Source } from '../support/source-files.ts';
import { findCycles, findUpwardImports } from './levels.ts';
import { findSharedNames, findVagueFiles } from './names.ts';
import { transactionRules } from './transactions.ts';

// Rules of layout (docs/architecture.md) and of code (docs/writing.md) that a program can check.

export interface Rule {
  readonly title: string;
  /** Violations, as `path: reason`. */
  readonly find: (sources: readonly Source[]) => readonly string[];
  /** Files that violate the rule. They show that the rule can fail. */
  readonly planted: readonly (readonly [path: string, text: string])[];
}

/** Files that may contain a pattern, with the reason. A folder ends in a slash. */
type Places = Readonly<Record<string, string>>;

const within = (path: string, places: Places): boolean =>
  Object.keys(places).some((place) =>
    place.endsWith('/') ? path.startsWith(place) : path === place,
  );

const program = (sources: readonly Source[]) => sources.filter(({ path }) => !isTest(path));

function onlyIn(pattern: RegExp, places: Places): Rule['find'] {
  return (sources) =>
    program(sources)
      .filter(({ path, code }) => !within(path, places) && pattern.test(code))
      .map(({ path, code }) => `${path}: ${pattern.exec(code)?.[0].trim()}`);
}

function packageOnlyIn(name: RegExp, places: Places): Rule['find'] {
  return (sources) =>
    program(sources).flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => name.test(target) && !within(path, places))
        .map(({ target }) => `${path}: imports ${target}`),
    );
}

/** Files that may catch a failure, with the reason (design, faults). */
const catching: Places = {
  'bulk/job-run.ts': 'a failed batch is repeated, one customer at a time',
  'config/config.ts': 'edge: a file is missing',
  'config/yaml.ts': 'edge: an alias of a file has no anchor',
  'db/connect.ts': 'a failure inside an open transaction is rolled back and thrown again',
  'db/embedded.ts': 'edge: folders and processes',
  'db/embedded/': 'edge: folders and processes',
  'db/machine.ts': 'edge: a file that only Linux has',
  'db/migrate.ts': 'edge: names the setting that a server refused',
  'db/open.ts': 'edge: names the setting that a server refused',
  'db/notify.ts': 'a failed wake-up is logged, and costs one interval',
  'workers/raise-alarms/watchdog.ts': 'a failed check is logged, and the next one follows',
  'db/session-check.ts': 'a pooler without a free backend is not a failure',
  'subscription/commands/preview.ts': 'a dry run rolls its transaction back by an error',
  'runs/run-record.ts': 'a failure is written into the run record',
  'runs/clock/sentinel.ts': 'a check that the database refuses is repeated',
  'runs/failed-batches.ts': 'the runner: a failed half is halved again',
  'leases/replica.ts': 'the runner: the connection of a lease breaks',
  'workers/keep-node/': 'the keeper: faults of a node differ from faults of the database',
  'workers/deliver-notifications/': 'a fault of a gateway differs from a fault of the database',
  'workers/raise-alarms/store.ts': 'a row that is locked is written a minute later',
  'workers/reconcile-xray-state/': 'a fault of one node differs from a fault of the database',
  'catalog/links.ts': 'wrong settings of a node affect only its own link',
  'import-export/': 'edge: bytes and values of a file',
  'notifications/texts/values.ts': 'a stored list that is not JSON is shown as none',
  'kernel/time-zone.ts': 'Intl has no other check for a time zone',
  'scheduler/queue.ts': 'edge: the queue',
  'logging/log-text.ts': 'a line that is not JSON is printed as it is',
  'virtual-clock.ts': 'the next step repeats a failed step',
  'db/single-connection.ts': 'an unreachable server has no statement to cancel',
  'demo/demo-database.ts': 'edge: a folder',
  'main.ts': 'edge: a fault becomes a sentence and an exit code',
  'cli/': 'edge: a fault becomes a sentence and an exit code',
  'http/': 'edge: a fault becomes a response',
  'notifications/channels/': 'edge: a gateway',
  'xray/': 'edge: a gateway',
};

/** Files that may wait for time to pass, with the reason. */
const waiting: Places = {
  'db/embedded.ts': 'polls another process, bounded',
  'db/embedded/cluster.ts': 'polls a server that stops, bounded',
  'db/migrate.ts': 'tries again after a lock of another session, bounded',
  'db/notify.ts': 'gathers wake-ups for 50 ms',
  'http/routes/workers.ts': 'ends a dry run that takes too long',
  'scheduler/queue.ts': 'schedules',
  'db/queue-clock.ts': 'the timers of the scheduler',
  'db/outage.ts': 'probes an unreachable database',
  'virtual-clock.ts': 'moves the stored clock of a test database',
  'cli/commands/start/database-wait.ts': 'waits for PostgreSQL, bounded',
  'cli/commands/run/run.ts': 'shows progress',
  'cli/commands/demo/demo.ts': 'ends the demo',
  'notifications/channels/': 'ends a send without an answer',
  'cli/shutdown.ts': 'ends a shutdown that takes too long',
  'demo/virtual-time.ts': 'slows virtual time down for a person',
  'service.ts': 'schedules',
  'runs/runner.ts': 'yields between batches',
  'leases/wakeable-sleep.ts': 'the holder of a lease waits for work',
  'xray/grpc/exchange.ts': 'ends a call without an answer',
  'xray/grpc/connect.ts': 'ends a connection attempt',
  'http/ui/change-feed.ts': 'polls for changes while a page is open',
};

const ruleFile =
  /^(?:workers\/[^/]+\/rule|subscription\/rules\/[^/]+|notifications\/(?:relevance|precedence|current-values)|outbox\/(?:quiet-hours|reminder-schedule))\.ts$/;

/** A rule imports the kernel, other rules, pure files of the outbox, and types of facts. */
function isRuleImport(target: string, typeOnly: boolean): boolean {
  if (/^kernel\//.test(target) || ruleFile.test(target)) return true;
  if (/^outbox\/(?:kinds|plan-choice)\.ts$/.test(target)) return true;
  return (
    typeOnly &&
    /^(?:db\/schema(?:-prices)?|outbox\/alarms|notifications\/(?:relevance-facts|channels\/channel))\.ts$/.test(
      target,
    )
  );
}

const sqlText =
  /\bsql(?:<[^`]*>)?`|\b(?:SELECT\s[\s\S]{1,400}?\sFROM\s|INSERT INTO\s|DELETE FROM\s|UPDATE\s+\S+\s+SET\s)/;

export const rules: readonly Rule[] = [
  {
    title: 'a file imports its own room and rooms of a lower level',
    find: (sources) => findUpwardImports(program(sources)),
    planted: [
      ['kernel/a.ts', "import type { Db } from '../db/connect.ts';"],
      ['workers/a/worker.ts', "import { b } from '../b/store.ts';"],
      ['subscription/store/a.ts', "import type { B } from '../commands/b.ts';"],
      ['elsewhere/a.ts', ''],
    ],
  },
  {
    title: 'each exported name exists once',
    find: (sources) => findSharedNames(program(sources)),
    planted: [
      ['runs/a.ts', 'export async function readFacts() {}'],
      ['catalog/b.ts', 'export const { readFacts } = facts;'],
    ],
  },
  {
    title: 'a file that writes the timeline takes a time that may be written',
    find: (sources) =>
      program(sources)
        .filter(({ path }) => path !== 'subscription/commands/command.ts')
        .filter(({ code }) => /\brecord\(tx/.test(code) && /\breadClock\(tx\)/.test(code))
        .map(({ path }) => `${path}: readClock(tx); expected readWriteTime or readTrustedTime`),
    planted: [['tokens/a.ts', 'await record(tx, [event], actor, await readClock(tx));']],
  },
  {
    title: 'no import cycles, types included',
    find: findCycles,
    planted: [
      ['db/a.ts', "import { b } from './b.ts';"],
      ['db/b.ts', "import type { C } from './c.ts';"],
      ['db/c.ts', "export const load = () => import('./a.ts');"],
    ],
  },
  {
    title: 'a rule imports the kernel and other rules only',
    find: (sources) =>
      sources
        .filter(({ path }) => !isTest(path) && ruleFile.test(path))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ target, typeOnly }) => !isRuleImport(target, typeOnly))
            .map(({ target }) => `${path}: imports ${target}`),
        ),
    planted: [
      ['subscription/rules/renewal.ts', "import type { Tx } from '../db/connect.ts';"],
      ['notifications/relevance.ts', "import type { Tx } from '../db/connect.ts';"],
      ['workers/a/rule.ts', "import { readSettings } from '../../subscription/store/settings.ts';"],
    ],
  },
  {
    title: 'the kernel imports no files and no network',
    find: (sources) =>
      program(sources)
        .filter(({ path }) => path.startsWith('kernel/'))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ target, inside }) => !inside && target !== 'node:crypto')
            .map(({ target }) => `${path}: imports ${target}`),
        ),
    planted: [['kernel/a.ts', "import { readFileSync } from 'node:fs';"]],
  },
  {
    title: 'only config/ reads the environment',
    find: onlyIn(/process\s*\.\s*env\b|\benv\b[^;]*from 'node:process'/, {
      'config/config.ts': 'reads it',
    }),
    planted: [['cli/a.ts', 'const home = process.env.HOME;']],
  },
  {
    title: 'only db/ reads a clock, of the machine or of the server',
    find: onlyIn(
      /Date\.now\b|new Date\(\s*\)|\bDate\(\)|(?<![.\w]|get )(?:now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)|\b(?:CURRENT_TIMESTAMP|CURRENT_DATE|LOCALTIMESTAMP)\b/,
      { 'db/': 'reads it' },
    ),
    planted: [
      ['subscription/a.ts', 'sql`UPDATE perennial.subscription SET expires_at = now()`'],
      ['workers/b.ts', 'const at = Date.now();'],
      ['cli/c.ts', 'const at = new Date();'],
    ],
  },
  {
    title: 'only scheduler/ imports pg-boss',
    find: packageOnlyIn(/^pg-boss/, { 'scheduler/': 'schedules' }),
    planted: [['workers/a.ts', "import PgBoss from 'pg-boss';"]],
  },
  {
    title: 'only xray/ imports gRPC and HTTP/2',
    find: packageOnlyIn(/^(@grpc\/|node:http2$)/, { 'xray/': 'calls nodes' }),
    planted: [
      ['workers/keep-node/worker.ts', "import { Client } from '@grpc/grpc-js';"],
      ['audit/a.ts', "import { connect } from 'node:http2';"],
    ],
  },
  {
    title: 'only notifications/channels/ imports Telegram and SMTP',
    find: packageOnlyIn(/^(grammy|nodemailer)/, { 'notifications/channels/': 'sends' }),
    planted: [['outbox/outbox.ts', "import { Api } from 'grammy';"]],
  },
  {
    title: 'only http/ imports the HTTP server and the metrics library',
    find: packageOnlyIn(/^(@?fastify|prom-client)/, { 'http/': 'serves' }),
    planted: [['cli/a.ts', "import fastify from 'fastify';"]],
  },
  {
    title: 'the program imports no test and no test library',
    find: (sources) =>
      program(sources).flatMap(({ path, imports }) =>
        imports
          .filter(({ target }) =>
            /\.test\.ts$|^vitest|^fast-check|^\.\.\/(?:test|testbed|bench)\//.test(target),
          )
          .map(({ target }) => `${path}: imports ${target}`),
      ),
    planted: [['service.ts', "import { createDatabase } from '../test/support/database.ts';"]],
  },
  {
    title: 'only access/marks.ts inserts marks',
    find: onlyIn(/INSERT\s+INTO\s+(?:perennial\.)?access_sync\b/i, {
      'access/marks.ts': 'the statement for all marks',
    }),
    planted: [
      ['workers/keep-node/b.ts', 'sql`INSERT INTO perennial.access_sync (node_id) VALUES (1)`;'],
    ],
  },
  {
    title: 'only access/entitlement.ts compares the groups of plans and nodes',
    find: onlyIn(/\bgroups\s*&&/i, {
      'access/entitlement.ts': 'the entitlement',
      'audit/marks.ts': 'a check that shares the fragment would share its faults',
    }),
    planted: [['catalog/b.ts', 'sql`SELECT FROM node n JOIN plan p ON n.groups && p.groups`;']],
  },
  {
    title: 'no OFFSET: pages have keys',
    find: onlyIn(/\bOFFSET\s+(?!0`)[$\d(:]|\.offset\(/i, {}),
    planted: [['audit/a.ts', 'sql`SELECT id FROM perennial.customer LIMIT 10 OFFSET 20`']],
  },
  {
    title: 'only listed files wait, and no wait is without a bound',
    find: (sources) => [
      ...onlyIn(/Atomics\.wait\b|pg_sleep\b/, {})(sources),
      ...packageOnlyIn(/kernel\/timer\.ts$/, waiting)(sources),
    ],
    planted: [
      ['subscription/a.ts', 'Atomics.wait(cell, 0, 0);'],
      ['subscription/b.ts', "import { pause } from '../kernel/timer.ts';"],
    ],
  },
  {
    title: 'only kernel/timer.ts makes timers, because it limits their length',
    find: onlyIn(
      /timers\/promises|(?<!\bsocket\.)\bset(?:Timeout|Interval)\(|AbortSignal\.timeout\b/,
      {
        'kernel/timer.ts': 'limits them',
      },
    ),
    planted: [
      ['workers/a.ts', 'setTimeout(end, ms);'],
      ['http/b.ts', 'const late = AbortSignal.timeout(ms);'],
      ['scheduler/queue.ts', "import { setTimeout as pause } from 'node:timers/promises';"],
    ],
  },
  {
    title: 'only listed files catch failures',
    find: onlyIn(/\bcatch\b/, catching),
    planted: [
      ['subscription/a.ts', 'try { pay(); } catch { skipped += 1; }'],
      ['workers/a/worker.ts', 'await send().catch(() => undefined);'],
    ],
  },
  ...transactionRules,
  {
    title: 'rules, workers, the command line and HTTP contain no SQL',
    find: (sources) =>
      program(sources)
        .filter(
          ({ path }) =>
            /^(?:kernel|cli|http|config)\/|^main\.ts$|^workers\/[^/]+\/worker\.ts$/.test(path) ||
            ruleFile.test(path),
        )
        .filter(({ code }) => sqlText.test(code))
        .map(({ path, code }) => `${path}: ${sqlText.exec(code)?.[0].slice(0, 60)}`),
    planted: [
      ['workers/a/worker.ts', 'await sql<Row>`SELECT 1`.execute(db);'],
      ['cli/show.ts', "client.query('SELECT id FROM perennial.customer')"],
    ],
  },
  {
    title: 'a file name is a noun of the field',
    find: (sources) => findVagueFiles(sources.map(({ path }) => path)),
    planted: [
      ['db/string-utils.ts', ''],
      ['subscription/commands/buying.ts', ''],
      ['xray/hearing.test.ts', ''],
    ],
  },
  {
    title: 'no file only exports other files, except two lists',
    find: onlyIn(/^export (?:type )?(?:\*|\{[^}]*\}) from/m, {
      'workers/index.ts': 'a list',
      'notifications/channels/index.ts': 'a list',
    }),
    planted: [['db/index.ts', "export * from './connect.ts';"]],
  },
  {
    title: 'no file exceeds 300 lines',
    find: (sources) =>
      sources
        .filter(({ lines }) => lines > 300)
        .map(({ path, lines }) => `${path}: ${lines} lines`),
    planted: [['db/a.ts', '\n'.repeat(301)]],
  },
];
