import { z } from 'zod';
import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { openSingleConnection } from '../../db/single-connection.ts';
import { refused } from '../../kernel/faults.ts';
import { isoTime, secondMs } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { timeoutSignal } from '../../kernel/timer.ts';
import { confirmHeld } from '../../runs/confirmation.ts';
import { PreviewTotals, toPreviewJson } from '../../runs/preview-totals.ts';
import { readLastRuns } from '../../runs/run-record.ts';
import type { Preview } from '../../runs/worker.ts';
import { readTermsHash } from '../../subscription/store/terms-hash.ts';
import { type Worker, workers } from '../../workers/index.ts';
import { defineRoute } from '../route.ts';
import {
  createTextSchema,
  currencySchema,
  moneySchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';
import { runShape, toRunAnswer } from './runs.ts';

const tag = 'Operations';

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

const byName = z.object({ name: createTextSchema(64) });

function requireWorker(name: string): Worker {
  const worker = workers.find((one) => one.name === name);
  if (worker !== undefined) return worker;
  const available = workers.map((one) => one.name).join(', ');
  throw refused('no_worker', `name: "${name}" is not a worker; available: ${available}`);
}

const startRun = defineRoute({
  method: 'POST',
  path: '/v1/workers/{name}/runs',
  id: 'askForRun',
  tag,
  summary: 'Request a run now, and confirm changes that its guard holds; a replica starts it',
  scope: 'admin',
  status: 202,
  params: byName,
  body: z
    .strictObject({
      confirm: z.literal(true).optional().describe('make changes that the guard holds'),
      held: z.number().int().min(1).optional().describe('with confirm: the number that you saw'),
      node: createTextSchema(100)
        .optional()
        .describe('with confirm: the node whose removals are held'),
      if_terms: createTextSchema(64)
        .optional()
        .describe('with confirm: if prices or settings are different now, nothing is confirmed'),
    })
    .refine(
      ({ confirm, held }) => (confirm === undefined) === (held === undefined),
      'confirm and held belong together',
    )
    .refine(
      ({ confirm, node, if_terms }) => confirm || (node === undefined && if_terms === undefined),
      'node and if_terms need confirm',
    ),
  answer: z.object({
    worker: z.string(),
    asked: z.literal(true),
    confirmed_until: timeSchema
      .nullable()
      .describe('end of the confirmation; null without confirm'),
  }),
  refusals: ['no_worker', 'nothing_held', 'held_changed', 'terms_changed'],
  async handle({ db }, { params, body, caller }) {
    const worker = requireWorker(params.name).name;
    const asked = { worker, asked: true as const };
    if (body.held === undefined) {
      await inTransaction(db, (tx) => wakeWorker(tx, worker));
      return { ...asked, confirmed_until: null };
    }
    const { held, node, if_terms: ifTerms } = body;
    const { expiresAt } = await confirmHeld(db, { worker, held, node, ifTerms }, caller.actor);
    return { ...asked, confirmed_until: isoTime(expiresAt) };
  },
});

/** One dry run at a time in this process, because it may read all due rows. */
let isPreviewing = false;
/** A longer dry run ends with the totals so far. */
const previewMaxMs = 20 * secondMs;
const batchMax = 1_000;
const sampleMax = 50;

const previewRun = defineRoute({
  method: 'POST',
  path: '/v1/workers/{name}/preview',
  id: 'previewRun',
  tag,
  summary: 'Decide as a run would, and change nothing; at most 20 s',
  scope: 'admin',
  params: byName,
  answer: z.object({
    worker: z.string(),
    complete: z.boolean().describe('false: the time was too short, and more items are due'),
    took_ms: z.number().int(),
    terms: z.string().describe('hash of prices and settings, for if_terms of a confirmation'),
    outcomes: z.array(
      z
        .object({
          outcome: z.string(),
          count: z.number().int(),
          amounts: z.array(z.object({ currency: currencySchema, amount: moneySchema })),
        })
        .meta({ title: 'PreviewOutcome' }),
    ),
    sample: z
      .array(
        z
          .object({
            outcome: z.string(),
            sentence: z.string(),
            telegram_id: telegramIdSchema.nullable(),
            subscription_id: rowIdSchema.nullable(),
            node_id: z.string().nullable(),
            subject: z.string().nullable(),
            amount: moneySchema.nullable(),
            currency: currencySchema.nullable(),
          })
          .meta({ title: 'PreviewItem' }),
      )
      .describe(`the first ${sampleMax} items`),
  }),
  refusals: ['no_worker', 'preview_running'],
  async handle({ url }, { params, signal }) {
    const worker = requireWorker(params.name);
    if (isPreviewing) throw refused('preview_running', 'a dry run is running; retry when it ends');
    isPreviewing = true;
    try {
      return await previewNow(url, worker, signal);
    } finally {
      isPreviewing = false;
    }
  },
});

async function previewNow(url: string, worker: Worker, signal: AbortSignal) {
  const elapsedMs = stopwatch();
  const limit = timeoutSignal(previewMaxMs);
  const totals = new PreviewTotals();
  const sample: Preview[] = [];
  await using connection = await openSingleConnection(url);
  const { db } = connection;
  const terms = await inTransaction(db, async (tx) => readTermsHash(tx, await readClock(tx)));
  const context = { db, url, batchMax, signal: AbortSignal.any([signal, limit]) };
  await worker.preview(context, (item) => {
    totals.add(item);
    if (sample.length < sampleMax) sample.push(item);
  });
  return {
    worker: worker.name,
    complete: !limit.aborted,
    took_ms: Math.round(elapsedMs()),
    terms,
    outcomes: totals.outcomes.map(([outcome, { count, minor }]) => ({
      outcome,
      count,
      amounts: [...minor].map(([currency, sum]) => ({
        currency,
        amount: majorUnits(sum, currency),
      })),
    })),
    sample: sample.map(toSampleItem),
  };
}

/** Each item has all fields, so a client needs no cases. */
function toSampleItem(item: Preview) {
  const json: Partial<Record<string, unknown>> = toPreviewJson(item);
  const toNumber = (value: unknown) => (typeof value === 'bigint' ? Number(value) : null);
  const toText = (value: unknown) => (typeof value === 'string' ? value : null);
  return {
    outcome: item.outcome,
    sentence: item.sentence,
    telegram_id: toNumber(json.telegram_id),
    subscription_id: toNumber(json.subscription_id),
    node_id: toText(json.node_id),
    subject: toText(json.subject),
    amount: toText(json.amount),
    currency: toText(json.currency),
  };
}

export const workerRoutes = [listWorkers, startRun, previewRun];
