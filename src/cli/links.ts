import { renderUnicodeCompact } from 'uqr';
import type { Link } from '../catalog/links.ts';

/** What the largest code holds of bytes (version 40, the lowest level of correction). */
const codeMax = 2_953;

/** Each link on a line, with a code to scan under it if asked for. */
export function linksText(links: readonly Link[], withCodes: boolean): string {
  return links
    .map(({ node, link, error }) => {
      if (link === null) return `${node}: ${error}`;
      return withCodes ? `${node}: ${link}\n${codeOf(link)}` : `${node}: ${link}`;
    })
    .join('\n');
}

function codeOf(link: string): string {
  const bytes = Buffer.byteLength(link);
  if (bytes <= codeMax) return renderUnicodeCompact(link);
  return `(${bytes} bytes: too long for a code, which holds up to ${codeMax})`;
}
