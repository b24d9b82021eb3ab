import { renderUnicodeCompact } from 'uqr';
import type { NodeLink } from '../../../catalog/links.ts';

/** What the largest code holds of bytes (version 40, the lowest level of correction). */
const codeBytesMax = 2_953;

/** Each link on a line, with a code to scan under it if asked for. */
export function formatLinks(links: readonly NodeLink[], withCodes: boolean): string {
  return links
    .map(({ node, link, error }) => {
      if (link === null) return `${node}: ${error}`;
      return withCodes ? `${node}: ${link}\n${renderCode(link)}` : `${node}: ${link}`;
    })
    .join('\n');
}

function renderCode(link: string): string {
  const bytes = Buffer.byteLength(link);
  if (bytes <= codeBytesMax) return renderUnicodeCompact(link);
  return `(${bytes} bytes: too long for a code, which holds up to ${codeBytesMax})`;
}
