/** VLESS only: Vision, or none. Must be the same on the node and in the customer's link. */
export type Flow = '' | 'xtls-rprx-vision';

/** What may stand in a link. `…-udp443` is the client's business alone (XRAY.md 2). */
export const linkFlows = ['', 'xtls-rprx-vision', 'xtls-rprx-vision-udp443'] as const;

/** The end of a sentence that begins with what was found. */
export const isNoFlow =
  'is no flow that a node knows; xtls-rprx-vision or xtls-rprx-vision-udp443 is, and none is left out';

/** The flow of a customer's link as the node has to know it; undefined for one that no node knows. */
export function flowOf(link: string | null): Flow | undefined {
  if (link === null || link === '') return '';
  return (linkFlows as readonly string[]).includes(link) ? 'xtls-rprx-vision' : undefined;
}
