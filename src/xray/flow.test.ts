import { expect, test } from 'vitest';
import { toNodeFlow } from './flow.ts';

test.for<[string | null, string | undefined]>([
  [null, ''],
  ['', ''],
  ['xtls-rprx-vision', 'xtls-rprx-vision'],
  ['xtls-rprx-vision-udp443', 'xtls-rprx-vision'],
  ['visoin', undefined],
])('the flow %s of a link is the flow %s of the node', ([link, flow]) => {
  expect(toNodeFlow(link)).toBe(flow);
});
