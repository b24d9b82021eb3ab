import { expect, test } from 'vitest';
import { toNodeFlow } from './flow.ts';

test.for<[string | null, string | undefined]>([
  [null, ''],
  ['', ''],
  ['xtls-rprx-vision', 'xtls-rprx-vision'],
  ['xtls-rprx-vision-udp443', 'xtls-rprx-vision'],
  ['visoin', undefined],
])("a link's flow %s is the node's %s", ([link, flow]) => {
  expect(toNodeFlow(link)).toBe(flow);
});
