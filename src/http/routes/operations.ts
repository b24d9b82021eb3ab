import { z } from 'zod';
import { runAudit, toAuditJson } from '../../audit/audit.ts';
import type { AuditCheck } from '../../audit/check.ts';
import { readNodeUsers } from '../../catalog/node-users.ts';
import { listNodes, toNodeJson } from '../../catalog/nodes.ts';
import { longLimits, openDatabase, openPool } from '../../db/connect.ts';
import { refused } from '../../kernel/faults.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { defineRoute } from '../route.ts';
import { telegramIdSchema, timeSchema } from '../schemas.ts';

const tag = 'Operations';

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
          users: z
            .number()
            .int()
            .describe('active subscriptions that may connect; at most a minute old'),
          seeding: z.boolean().describe('the keeper marks all users of a new boot'),
          seed_marked: z.number().int().describe('users that the last seed has marked'),
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
    const users = await readNodeUsers(db);
    const items = (await listNodes(db)).map(toNodeJson).map(({ api: _, ...node }) => node);
    return { items: items.map((node) => ({ ...node, users: users.get(node.id) ?? 0 })) };
  },
});

const toPlainId = (id: string | bigint): string | number =>
  typeof id === 'bigint' ? Number(id) : id;

interface AuditProgress {
  readonly elapsedMs: () => number;
  /** The check that is running, counted from 1. */
  readonly at: number;
  readonly of: number;
  readonly id: string;
  readonly title: string;
}

/** One audit at a time in this process, because each reads the whole database. */
let auditProgress: AuditProgress | undefined;

const showAudit = defineRoute({
  method: 'GET',
  path: '/v1/audit/progress',
  id: 'auditProgress',
  tag,
  summary: 'Read the progress of the audit that runs in this process',
  scope: 'read',
  answer: z.object({
    running: z
      .object({
        elapsed_ms: z.number().int(),
        at: z.number().int().describe('the present check, from 1; 0 before the first one'),
        of: z.number().int().describe('number of checks; 0 before the first one'),
        id: z.string().describe('the present check'),
        title: z.string(),
      })
      .meta({ title: 'AuditProgress' })
      .nullable()
      .describe('null: none runs here'),
  }),
  async handle() {
    if (auditProgress === undefined) return { running: null };
    const { elapsedMs, ...progress } = auditProgress;
    return { running: { ...progress, elapsed_ms: Math.round(elapsedMs()) } };
  },
});

const auditNow = defineRoute({
  method: 'GET',
  path: '/v1/audit',
  id: 'audit',
  tag,
  isLong: true,
  summary: 'Check every promise on the live database now; as long as "perennial audit"',
  scope: 'admin',
  query: z.object({
    since_last: z
      .enum(['true', 'false'])
      .optional()
      .describe('true: only what changed since the last clean audit of everything'),
  }),
  answer: z.object({
    ok: z.boolean(),
    now: timeSchema,
    since: z
      .object({
        at: timeSchema.nullable().describe('the last audit of everything; null: all was checked'),
        customers: z.number().int().nullable().describe('customers that changed since then'),
        because: z.string().nullable().describe('why everything was checked'),
      })
      .meta({ title: 'AuditSince' })
      .nullable()
      .describe('null without since_last=true'),
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
  async handle({ url }, { query, signal }) {
    if (auditProgress !== undefined)
      throw refused('audit_running', 'an audit is running; retry when it ends');
    const elapsedMs = stopwatch();
    auditProgress = { elapsedMs, at: 0, of: 0, id: '', title: '' };
    // Two separate connections: one runs the audit, the other one cancels it.
    const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 2 }));
    try {
      const checksChanges = query.since_last === 'true';
      const onCheck = ({ id, title }: AuditCheck, at: number, of: number) => {
        auditProgress = { elapsedMs, at: at + 1, of, id, title };
      };
      const options = { signal, checksChanges, keepsResult: true, onCheck };
      const { ok, now, since, checks, took_ms } = toAuditJson(await runAudit(db, options));
      return {
        ok,
        now,
        since:
          since === null
            ? null
            : { ...since, customers: since.customers === null ? null : Number(since.customers) },
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
      auditProgress = undefined;
      await db.destroy();
    }
  },
});

export const operationRoutes = [nodes, auditNow, showAudit];
