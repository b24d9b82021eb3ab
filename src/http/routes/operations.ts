import { z } from 'zod';
import { runAudit, toAuditJson } from '../../audit/audit.ts';
import { listNodes, toNodeJson } from '../../catalog/nodes.ts';
import { inTransaction, longLimits, openDatabase, openPool } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { refused } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { dismissItem, listQuarantine, retryItem } from '../../runs/quarantine.ts';
import { readLastRuns } from '../../runs/run-record.ts';
import { workers } from '../../workers/index.ts';
import { defineRoute } from '../route.ts';
import {
  createPageSchema,
  createTextSchema,
  pageQuery,
  parsePageQuery,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';

const tag = 'Operations';

const toIsoOrNull = (at: Instant | null): string | null => (at === null ? null : isoTime(at));

const outcome = z.enum(['running', 'success', 'partial', 'skipped', 'degraded', 'failed', 'lost']);

const runShape = z
  .object({
    id: rowIdSchema,
    replica: z.string(),
    started_at: timeSchema,
    finished_at: timeSchema.nullable(),
    outcome,
    examined: z.number().int(),
    changed: z.number().int(),
    failed: z.number().int(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ title: 'Run' });

const listWorkers = defineRoute({
  method: 'GET',
  path: '/v1/workers',
  id: 'listWorkers',
  tag,
  isList: true,
  summary: 'List workers with their interval and their last run with work',
  scope: 'read',
  answer: z.object({
    items: z.array(
      z
        .object({
          name: z.string(),
          every_s: z.number().describe('interval of the configuration, else the default'),
          last_run: runShape.nullable(),
        })
        .meta({ title: 'Worker' }),
    ),
  }),
  async handle({ db }) {
    const runs = await readLastRuns(db);
    return {
      items: workers.map(({ name, everyMs }) => {
        const run = runs.find(({ worker }) => worker === name);
        return {
          name,
          every_s: everyMs / 1_000,
          last_run: run === undefined ? null : toRunAnswer(run),
        };
      }),
    };
  },
});

function toRunAnswer(run: Awaited<ReturnType<typeof readLastRuns>>[number]) {
  return {
    id: Number(run.id),
    replica: run.replica,
    started_at: isoTime(run.started_at),
    finished_at: toIsoOrNull(run.finished_at),
    outcome: run.outcome,
    examined: Number(run.examined),
    changed: Number(run.changed),
    failed: Number(run.failed),
    detail: run.detail,
  };
}

const startRun = defineRoute({
  method: 'POST',
  path: '/v1/workers/{name}/runs',
  id: 'askForRun',
  tag,
  summary: 'Request a run now; a replica of the service starts it',
  scope: 'admin',
  status: 202,
  params: z.object({ name: createTextSchema(64) }),
  answer: z.object({ worker: z.string(), asked: z.literal(true) }),
  refusals: ['no_worker'],
  async handle({ db }, { params }) {
    const names = workers.map(({ name }) => name);
    if (!names.includes(params.name)) {
      const available = names.join(', ');
      throw refused('no_worker', `name: "${params.name}" is not a worker; available: ${available}`);
    }
    await inTransaction(db, (tx) => wakeWorker(tx, params.name));
    return { worker: params.name, asked: true as const };
  },
});

const nodes = defineRoute({
  method: 'GET',
  path: '/v1/nodes',
  id: 'listNodes',
  tag,
  isList: true,
  summary: 'List nodes with their last contact and pending changes',
  scope: 'read',
  answer: z.object({
    items: z.array(
      z
        .object({
          id: z.string(),
          groups: z.array(z.string()),
          inbounds: z.array(z.string()),
          leaving: z.boolean(),
          last_seen_at: timeSchema.nullable(),
          down_since: timeSchema.nullable(),
          failures: z.number().int(),
          open_until: timeSchema.nullable(),
          marks_waiting: z.number().int(),
          additions_waiting: z.number().int(),
          removals_waiting: z.number().int(),
          confirmed_waiting: z.number().int(),
          oldest_unconfirmed_removal: timeSchema.nullable(),
          last_error: z.string().nullable(),
          link_error: z
            .string()
            .nullable()
            .describe('values of the link that no inbound fits: customers cannot connect by it'),
          reconciled_at: timeSchema.nullable(),
          reconcile_error: z.string().nullable(),
        })
        .meta({ title: 'Node' }),
    ),
  }),
  async handle({ db }) {
    // The address of its API is hidden: a holder of `read` does not need it.
    return { items: (await listNodes(db)).map(toNodeJson).map(({ api: _, ...node }) => node) };
  },
});

const quarantineShape = z
  .object({
    worker: z.string(),
    item: z.string(),
    reason: z.string(),
    attempts: z.number().int(),
    retry_at: timeSchema,
    first_seen_at: timeSchema,
  })
  .meta({ title: 'QuarantinedItem' });

const quarantine = defineRoute({
  method: 'GET',
  path: '/v1/quarantine',
  id: 'listQuarantine',
  tag,
  isList: true,
  summary: 'List items in quarantine',
  scope: 'read',
  query: z.object({
    limit: pageQuery.shape.limit,
    cursor: createTextSchema(300).optional().describe('`next_cursor` of the page before'),
  }),
  answer: createPageSchema(quarantineShape),
  async handle({ db }, { query }) {
    const { max } = parsePageQuery({ limit: query.limit });
    const [worker = '', ...item] = (query.cursor ?? '').split('/');
    const rows = await listQuarantine(db, { worker, item: item.join('/') }, max + 1);
    const items = rows.slice(0, max).map((row) => ({
      ...row,
      retry_at: isoTime(row.retry_at),
      first_seen_at: isoTime(row.first_seen_at),
    }));
    const last = items.at(-1);
    const more = rows.length > max && last !== undefined;
    return { items, next_cursor: more ? `${last.worker}/${last.item}` : null };
  },
});

const itemParams = z.object({ worker: createTextSchema(64), item: createTextSchema(200) });
const itemAnswer = z.object({ worker: z.string(), item: z.string(), done: z.literal(true) });

const retry = defineRoute({
  method: 'POST',
  path: '/v1/quarantine/{worker}/{item}/retry',
  id: 'retryItem',
  tag,
  summary: 'Retry an item; a run of its worker is requested',
  scope: 'admin',
  params: itemParams,
  answer: itemAnswer,
  refusals: ['no_item'],
  async handle({ db }, { params, caller }) {
    await retryItem(db, params.worker, params.item, caller.actor);
    return { ...params, done: true as const };
  },
});

const dismiss = defineRoute({
  method: 'POST',
  path: '/v1/quarantine/{worker}/{item}/dismiss',
  id: 'dismissItem',
  tag,
  summary: 'Remove an item from quarantine; it returns if it fails again',
  scope: 'admin',
  params: itemParams,
  answer: itemAnswer,
  refusals: ['no_item'],
  async handle({ db }, { params, caller }) {
    await dismissItem(db, params.worker, params.item, caller.actor);
    return { ...params, done: true as const };
  },
});

const toPlainId = (id: string | bigint): string | number =>
  typeof id === 'bigint' ? Number(id) : id;

/** One audit at a time in this process, because each reads the whole database. */
let isAuditing = false;

const auditNow = defineRoute({
  method: 'GET',
  path: '/v1/audit',
  id: 'audit',
  tag,
  summary: 'Check every promise on the live database now; as long as "perennial audit"',
  scope: 'admin',
  answer: z.object({
    ok: z.boolean(),
    now: timeSchema,
    checks: z.array(
      z.object({
        id: z.string(),
        promise: z.number().int().nullable(),
        title: z.string(),
        violations: z.number().int(),
        sample: z.array(
          z.object({
            telegram_id: telegramIdSchema.nullable(),
            rows: z.record(z.string(), z.array(z.union([z.string(), z.number()]))),
            sentence: z.string(),
          }),
        ),
      }),
    ),
    took_ms: z.number().int(),
  }),
  refusals: ['audit_running'],
  async handle({ url }, { signal }) {
    if (isAuditing) throw refused('audit_running', 'an audit is running; retry when it ends');
    isAuditing = true;
    // Two separate connections: one runs the audit, the other one cancels it.
    const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 2 }));
    try {
      const { ok, now, checks, took_ms } = toAuditJson(await runAudit(db, { signal }));
      return {
        ok,
        now,
        took_ms,
        checks: checks.map(({ violations, sample, ...check }) => ({
          ...check,
          violations: Number(violations),
          sample: sample.map(({ telegram_id, rows, sentence }) => ({
            telegram_id: telegram_id === null ? null : Number(telegram_id),
            rows: Object.fromEntries(
              Object.entries(rows).map(([table, ids]) => [table, ids.map(toPlainId)]),
            ),
            sentence,
          })),
        })),
      };
    } finally {
      isAuditing = false;
      await db.destroy();
    }
  },
});

export const operationRoutes = [listWorkers, startRun, nodes, quarantine, retry, dismiss, auditNow];
