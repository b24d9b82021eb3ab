import { z } from 'zod';
import { announcementMax, type BulkRequest } from '../../bulk/job.ts';
import {
  cancelBulkJob,
  createBulkJob,
  listBulkJobs,
  previewBulkJob,
  readBulkJob,
} from '../../bulk/job-store.ts';
import type { FilterTexts } from '../../subscription/queries/subscription-filter.ts';
import { defineRoute } from '../route.ts';
import {
  bySubscription,
  createPageSchema,
  createTextSchema,
  pageQuery,
  parsePageQuery,
  periodDaysSchema,
  rowIdSchema,
  timeSchema,
  toPage,
} from '../schemas.ts';
import { filterShape, listedCustomer } from './lists.ts';

const tag = 'Bulk jobs';

const where = z
  .strictObject(filterShape)
  .describe('the filters of GET /v1/customers; at least one');

const action = z.enum(['grant', 'auto_renew', 'announcement']);

const body = z
  .strictObject({
    action,
    where,
    days: periodDaysSchema.optional().describe('of grant: the free days'),
    auto_renew: z.boolean().optional().describe('of auto_renew: on or off'),
    texts: z
      .record(createTextSchema(35), z.string().min(1).max(announcementMax))
      .optional()
      .describe('of announcement: the text by language; "en" is for all other languages'),
  })
  .refine(
    ({ action: name, days, auto_renew: isOn, texts }) =>
      [days, isOn, texts].filter((value) => value !== undefined).length === 1 &&
      { grant: days, auto_renew: isOn, announcement: texts }[name] !== undefined,
    'needs exactly the field of its action: days, auto_renew or texts',
  );

function toRequest({ action: name, days, auto_renew: isOn, texts }: z.output<typeof body>) {
  const requests: Readonly<Record<z.output<typeof action>, BulkRequest>> = {
    grant: { action: 'grant', days: days ?? 0 },
    auto_renew: { action: 'auto_renew', isOn: isOn ?? false },
    announcement: { action: 'announcement', texts: texts ?? {} },
  };
  return requests[name];
}

const jobShape = z
  .object({
    id: rowIdSchema,
    action,
    params: z.record(z.string(), z.unknown()),
    filter: z.record(z.string(), z.string()),
    actor: z.string(),
    state: z.enum(['running', 'done', 'cancelled']),
    total: z.number().int().describe('customers that matched at the creation'),
    done: z.number().int(),
    skipped: z.number().int().describe('customers that the job left as they are'),
    failed: z.number().int(),
    created_at: timeSchema,
    finished_at: timeSchema.nullable(),
  })
  .meta({ title: 'BulkJob' });

const requestRefusals = ['no_filter', 'bad_filter', 'bad_texts', 'no_plan', 'no_group'];

const create = defineRoute({
  method: 'POST',
  path: '/v1/bulk-jobs',
  id: 'createBulkJob',
  tag,
  summary: 'Change all customers that match a filter, each customer once',
  scope: 'admin',
  keyed: true,
  status: 201,
  body,
  answer: jobShape,
  refusals: requestRefusals,
  handle: (_, { body: given, caller }) =>
    createBulkJob(caller, toRequest(given), given.where as FilterTexts),
});

const preview = defineRoute({
  method: 'POST',
  path: '/v1/bulk-jobs/preview',
  id: 'previewBulkJob',
  tag,
  summary: 'Count the customers that a bulk job would change; change nothing',
  scope: 'admin',
  body,
  answer: z.object({
    filter: z.record(z.string(), z.string()),
    count: z.number().int(),
    count_is_estimated: z.boolean(),
    customers: z
      .array(listedCustomer.omit({ matched_by: true }).meta({ title: 'BulkCustomer' }))
      .describe('the first 10 by id'),
  }),
  refusals: requestRefusals,
  async handle({ lists }, { body: given }) {
    const found = await previewBulkJob(lists, toRequest(given), given.where as FilterTexts);
    return { ...found, filter: { ...found.filter }, customers: [...found.customers] };
  },
});

const list = defineRoute({
  method: 'GET',
  path: '/v1/bulk-jobs',
  id: 'listBulkJobs',
  tag,
  isList: true,
  summary: 'List bulk jobs, the newest first',
  scope: 'read',
  query: pageQuery,
  answer: createPageSchema(jobShape),
  async handle({ db }, { query }) {
    const { max, before } = parsePageQuery(query);
    return toPage(await listBulkJobs(db, { max: max + 1, before }), max);
  },
});

const show = defineRoute({
  method: 'GET',
  path: '/v1/bulk-jobs/{id}',
  id: 'getBulkJob',
  tag,
  isList: true,
  summary: 'Read a bulk job with its progress',
  scope: 'read',
  params: bySubscription,
  answer: jobShape.extend({
    reasons: z
      .record(z.string(), z.number().int())
      .describe('customers by reason, of those that were skipped or failed'),
  }),
  refusals: ['no_job'],
  handle: ({ db }, { params }) => readBulkJob(db, BigInt(params.id)),
});

const cancel = defineRoute({
  method: 'POST',
  path: '/v1/bulk-jobs/{id}/cancel',
  id: 'cancelBulkJob',
  tag,
  summary: 'Stop a bulk job, and suppress its announcements that were not sent',
  scope: 'admin',
  params: bySubscription,
  answer: jobShape,
  refusals: ['no_job', 'is_over'],
  handle: ({ db }, { params, caller }) => cancelBulkJob(db, BigInt(params.id), caller.actor),
});

export const bulkJobRoutes = [create, preview, list, show, cancel];
