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
  ['nothing changed', {}, {}, undefined],
  ['closed before and after', closed, { ...closed, ...vision }, undefined],
  ['access is lost', {}, closed, { urgent: true, replace: false }],
  ['and the flow with it', {}, { ...closed, ...vision }, { urgent: true, replace: false }],
  ['access is gained', closed, {}, { urgent: false, replace: false }],
  ['and the flow with it', closed, vision, { urgent: false, replace: true }],
  ['an inbound more', {}, { inbounds: ['a', 'b', 'c'] }, { urgent: false, replace: false }],
  ['an inbound less', {}, { inbounds: ['b'] }, { urgent: true, replace: false, removes: true }],
  ['in another order', {}, { inbounds: ['b', 'a'] }, undefined],
  ['a flow', {}, vision, { urgent: false, replace: true }],
  ['no flow, in other words', {}, { flow: '' }, undefined],
  ['a flow that differs for clients only', vision, client, undefined],
  ['a flow that no node knew', { flow: 'visoin' }, {}, { urgent: false, replace: true }],
])('%s', ([, before, after, order]) => {
  expect(computeMarkingJob(createPlanAccess(before), createPlanAccess(after))).toEqual(
    order === undefined ? undefined : { node: 'nl-1', plan: 'basic', removes: false, ...order },
  );
});
