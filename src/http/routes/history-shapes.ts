import { z } from 'zod';
import { ledgerKinds } from '../../db/schema-ledger.ts';
import { noticeStates } from '../../outbox/kinds.ts';
import { moneySchema, rowIdSchema, timeSchema } from '../schemas.ts';

// Schemas of the rows of a history: ledger entries, events and notifications.

export const ledgerEntryShape = z
  .object({
    id: rowIdSchema,
    kind: z.enum(ledgerKinds),
    amount: moneySchema,
    balance_after: moneySchema,
    provider: z.string().nullable(),
    provider_ref: z.string().nullable(),
    dispute: z.string().nullable().describe('of a chargeback'),
    claim: moneySchema.nullable().describe('the change of the claim with this entry'),
    created_at: timeSchema,
  })
  .meta({ title: 'LedgerEntry' });

export const timelineEventShape = z
  .object({
    id: rowIdSchema,
    subject: z.string(),
    action: z.string(),
    actor: z.string(),
    at: timeSchema,
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ title: 'TimelineEvent' });

export const noticeStateShape = z.enum(noticeStates);

export const noticeLineShape = z
  .object({
    id: rowIdSchema,
    kind: z.string(),
    state: noticeStateShape,
    reason: z.string().nullable(),
    params: z.record(z.string(), z.unknown()),
    created_at: timeSchema,
    sent_at: timeSchema.nullable(),
  })
  .meta({ title: 'NoticeLine' });
