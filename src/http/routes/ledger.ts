import { z } from 'zod';
import { ledgerKinds } from '../../db/schema-ledger.ts';
import { tryParseInstant } from '../../kernel/instant.ts';
import { ledgerFilters, listLedger } from '../../subscription/queries/ledger-list.ts';
import { defineRoute } from '../route.ts';
import {
  createPageSchema,
  currencySchema,
  givenTimeSchema,
  moneySchema,
  pageQuery,
  parsePageQuery,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';

const listedEntryShape = z
  .object({
    id: rowIdSchema,
    kind: z.enum(ledgerKinds),
    telegram_id: telegramIdSchema,
    amount: moneySchema,
    currency: currencySchema,
    provider: z.string().nullable(),
    provider_ref: z.string().nullable(),
    created_at: timeSchema,
  })
  .meta({ title: 'ListedEntry' });

const list = defineRoute({
  method: 'GET',
  path: '/v1/ledger',
  id: 'listLedger',
  tag: 'Money',
  isList: true,
  summary: 'List ledger entries of all customers, the newest first',
  scope: 'read',
  query: pageQuery.extend({
    kind: z
      .enum(ledgerFilters)
      .optional()
      .describe('collected: top-ups, no moved payments; charged: purchases and renewals'),
    since: givenTimeSchema.optional().describe('entries of this time or later'),
  }),
  answer: createPageSchema(listedEntryShape),
  handle({ db }, { query }) {
    const { kind, since } = query;
    const sinceTime = since === undefined ? undefined : tryParseInstant(since);
    return listLedger(db, { ...parsePageQuery(query), kind, since: sinceTime });
  },
});

export const ledgerRoutes = [list];
