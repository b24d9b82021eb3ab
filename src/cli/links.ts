import { renderUnicodeCompact } from 'uqr';
import type { Link } from '../catalog/links.ts';

/** Each link on a line, with a code to scan under it if asked for. */
export function linksText(links: readonly Link[], withCodes: boolean): string {
  return links
    .map(({ node, link, error }) => {
      if (link === null) return `${node}: ${error}`;
      return withCodes ? `${node}: ${link}\n${renderUnicodeCompact(link)}` : `${node}: ${link}`;
    })
    .join('\n');
}
