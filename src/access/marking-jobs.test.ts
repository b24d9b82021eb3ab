import { expect, test } from 'vitest';
import { computeMarkingJob, type PlanAccess } from './marking-jobs.ts';

const createPlanAccess = (changed: Partial<PlanAccess> = {}): PlanAccess => ({
  ...{ node: 'nl-1', plan: 'basic', open: true, inbounds: ['a', 'b'], flow: null },
  ...changed,
});
const closed = { open: false };
const vision = { flow: 'xtls-rprx-vision' };
const client = { flow: 'xtls-rprx-vision-udp443' };

test.for<[string, Partial<PlanAccess>, Partial<PlanAccess>, object | undefined]>([
  ['without a change there is no job', {}, {}, undefined],
  [
    'a plan without access before and after needs no job',
    closed,
    { ...closed, ...vision },
    undefined,
  ],
  ['lost access is urgent', {}, closed, { urgent: true, replace: false }],
  [
    'lost access with a changed flow does not replace users',
    {},
    { ...closed, ...vision },
    { urgent: true, replace: false },
  ],
  ['gained access is not urgent', closed, {}, { urgent: false, replace: false }],
  [
    'gained access with a changed flow replaces users',
    closed,
    vision,
    { urgent: false, replace: true },
  ],
  [
    'an added inbound is not urgent',
    {},
    { inbounds: ['a', 'b', 'c'] },
    { urgent: false, replace: false },
  ],
  [
    'a removed inbound is urgent',
    {},
    { inbounds: ['b'] },
    { urgent: true, replace: false, removes: true },
  ],
  ['another order of inbounds needs no job', {}, { inbounds: ['b', 'a'] }, undefined],
  ['an added flow replaces users', {}, vision, { urgent: false, replace: true }],
  ['an empty flow equals no flow', {}, { flow: '' }, undefined],
  ['a flow that differs only for clients needs no job', vision, client, undefined],
  [
    'a flow that no node supported replaces users',
    { flow: 'visoin' },
    {},
    { urgent: false, replace: true },
  ],
])('%s', ([, before, after, order]) => {
  expect(computeMarkingJob(createPlanAccess(before), createPlanAccess(after))).toEqual(
    order === undefined ? undefined : { node: 'nl-1', plan: 'basic', removes: false, ...order },
  );
});
