/** VLESS only: Vision, or none. The node and the customer's link must have the same flow. */
export type Flow = '' | 'xtls-rprx-vision';

/** Flows that a link may have. Only clients read the ending `-udp443` (docs/xray-facts.md). */
export const linkFlows = ['', 'xtls-rprx-vision', 'xtls-rprx-vision-udp443'] as const;

/** The end of an error: `"x" is not a flow; …`. */
export const notAFlowText =
  'is not a flow; expected xtls-rprx-vision, xtls-rprx-vision-udp443, or no key';

/** @returns the flow of a link as the node requires it; undefined if no node supports it */
export function toNodeFlow(link: string | null): Flow | undefined {
  if (link === null || link === '') return '';
  return (linkFlows as readonly string[]).includes(link) ? 'xtls-rprx-vision' : undefined;
}
