import { z } from 'zod';
import {
  acceptClock,
  acceptedJson,
  clockJson,
  readClockStatus,
} from '../../workers/clock-accept.ts';
import { route } from '../route.ts';
import { time } from '../schemas.ts';

const tag = 'Operations';

const cause = z.enum(['ahead', 'back', 'commits_lost']).nullable();
const by_s = z.number().int().nullable().describe('difference of the clock in seconds');
const reason = z.string().nullable();

const showClock = route({
  method: 'GET',
  path: '/v1/clock',
  id: 'showClock',
  tag,
  summary: 'Read the database time, its trust, and the clocks compared with it',
  scope: 'read',
  answer: z.object({
    now: time,
    mark_at: time.nullable().describe('latest trusted time'),
    machine_ahead_s: z.number().describe('clock of this replica minus the database'),
    stored: z.boolean().describe('true for the stored clock of a test database'),
    trusted: z.boolean(),
    cause,
    by_s,
    reason,
    witnesses: z.array(z.object({ id: z.string(), name: z.string(), at: time })),
  }),
  handle: async ({ db }) => clockJson(await readClockStatus(db)),
});

const accept = route({
  method: 'POST',
  confirmsTime: true,
  path: '/v1/clock/accept',
  id: 'acceptClock',
  tag,
  summary: 'Confirm the time and the state of the database; waiting work continues',
  scope: 'admin',
  answer: z.object({ now: time, accepted: z.boolean(), cause, by_s, reason }),
  handle: async ({ db }, { call }) => acceptedJson(await acceptClock(db, call.actor)),
});

export const clockRoutes = [showClock, accept];
