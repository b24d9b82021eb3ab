import { z } from 'zod';
import { isoTime, tryParseInstant } from '../../kernel/instant.ts';
import { listRuns, readHeldCount, readRunEffects, runOutcomes } from '../../runs/run-list.ts';
import { type RunRow, toRunJson } from '../../runs/run-record.ts';
import { workerNames } from '../../runs/worker-names.ts';
import { defineRoute } from '../route.ts';
import {
  byRun,
  createPageSchema,
  givenTimeSchema,
  moneySchema,
  pageQuery,
  parsePageQuery,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
  toPage,
} from '../schemas.ts';

const tag = 'Operations';

export const runShape = z
  .object({
    id: rowIdSchema,
    replica: z.string(),
    started_at: timeSchema,
    finished_at: timeSchema.nullable(),
    outcome: z.enum(runOutcomes),
    examined: z.number().int(),
    changed: z.number().int(),
    failed: z.number().int(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ title: 'Run' });

export function toRunAnswer(run: RunRow) {
  const { worker: _, ...row } = toRunJson(run);
  return {
    ...row,
    id: Number(run.id),
    examined: Number(run.examined),
    changed: Number(run.changed),
    failed: Number(run.failed),
  };
}

const listedRunShape = runShape
  .extend({
    worker: z.string(),
    held: z.number().int().describe('items that a guard or the quarantine held'),
  })
  .meta({ title: 'ListedRun' });

const toListedRun = (run: RunRow) => ({
  ...toRunAnswer(run),
  worker: run.worker,
  held: readHeldCount(run),
});

const list = defineRoute({
  method: 'GET',
  path: '/v1/runs',
  id: 'listRuns',
  tag,
  isList: true,
  summary: 'List runs of workers that had work, the newest first',
  scope: 'read',
  query: pageQuery.extend({
    worker: z.enum(workerNames).optional(),
    outcome: z.enum(runOutcomes).optional(),
    since: givenTimeSchema.optional().describe('started at this time or later'),
  }),
  answer: createPageSchema(listedRunShape),
  async handle({ db }, { query }) {
    const { max, before } = parsePageQuery(query);
    const { worker, outcome, since } = query;
    const sinceTime = since === undefined ? undefined : tryParseInstant(since);
    const rows = await listRuns(db, { worker, outcome, since: sinceTime, before }, max + 1);
    return toPage(rows.map(toListedRun), max);
  },
});

const countSchema = z.number().int();

const show = defineRoute({
  method: 'GET',
  path: '/v1/runs/{id}',
  id: 'showRun',
  tag,
  isList: true,
  summary: 'Show a run and what it did, by the events of its worker in its time',
  scope: 'read',
  params: byRun,
  answer: listedRunShape
    .extend({
      overlapping: z
        .array(rowIdSchema)
        .describe('other runs of this worker at the same time; the changes may belong to them'),
      actions: z.array(z.object({ action: z.string(), events: countSchema })),
      charges: z
        .array(
          z.object({
            currency: z.string(),
            kind: z.string(),
            entries: countSchema,
            amount: moneySchema,
          }),
        )
        .describe('entries of the ledger that the events name, by currency and kind'),
      notices: z
        .array(z.object({ kind: z.string(), notices: countSchema }))
        .describe('stored with the events, for the same customers'),
      quarantined_total: countSchema,
      quarantined: z
        .array(z.object({ item: z.string(), reason: z.string() }))
        .describe('the first 100 items that the run put into quarantine, and that are still there'),
      events: z
        .array(
          z.object({
            telegram_id: telegramIdSchema.nullable(),
            subject: z.string(),
            action: z.string(),
            at: timeSchema,
            detail: z.record(z.string(), z.unknown()),
          }),
        )
        .describe('the first 100'),
    })
    .meta({ title: 'RunEffects' }),
  refusals: ['no_run'],
  async handle({ db }, { params }) {
    const { run, ...effects } = await readRunEffects(db, BigInt(params.id), 100);
    return {
      ...toListedRun(run),
      overlapping: effects.overlapping.map(Number),
      actions: effects.actions.map((row) => ({ ...row, events: Number(row.events) })),
      charges: effects.charges.map((row) => ({ ...row, entries: Number(row.entries) })),
      notices: effects.notices.map((row) => ({ ...row, notices: Number(row.notices) })),
      quarantined_total: Number(effects.quarantined_total),
      quarantined: [...effects.quarantined],
      events: effects.events.map((row) => ({
        ...row,
        telegram_id: row.telegram_id === null ? null : Number(row.telegram_id),
        at: isoTime(row.at),
      })),
    };
  },
});

export const runRoutes = [list, show];
