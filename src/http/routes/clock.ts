import { z } from 'zod';
import {
  acceptClock,
  readClockStatus,
  toAcceptedClockJson,
  toClockStatusJson,
} from '../../runs/clock/accept.ts';
import { defineRoute } from '../route.ts';
import { timeSchema } from '../schemas.ts';

const tag = 'Operations';

const cause = z.enum(['ahead', 'back', 'commits_lost']).nullable();
const by_s = z.number().int().nullable().describe('difference of the clock in seconds');
const reason = z.string().nullable();

const showClock = defineRoute({
  method: 'GET',
  path: '/v1/clock',
  id: 'showClock',
  tag,
  summary: 'Read the database time, its trust, and the clocks compared with it',
  scope: 'read',
  answer: z.object({
    now: timeSchema,
    mark_at: timeSchema.nullable().describe('latest trusted time'),
    machine_ahead_s: z.number().describe('clock of this replica minus the database'),
    stored: z.boolean().describe('true for the stored clock of a test database'),
    trusted: z.boolean(),
    cause,
    by_s,
    reason,
    witnesses: z.array(z.object({ id: z.string(), name: z.string(), at: timeSchema })),
  }),
  handle: async ({ db }) => toClockStatusJson(await readClockStatus(db)),
});

const accept = defineRoute({
  method: 'POST',
  confirmsTime: true,
  path: '/v1/clock/accept',
  id: 'acceptClock',
  tag,
  summary: 'Confirm the time and the state of the database; waiting work continues',
  scope: 'admin',
  answer: z.object({ now: timeSchema, accepted: z.boolean(), cause, by_s, reason }),
  handle: async ({ db }, { caller }) => toAcceptedClockJson(await acceptClock(db, caller.actor)),
});

export const clockRoutes = [showClock, accept];
