import { renderUnicodeCompact } from 'uqr';
import type { NodeLink } from '../../../catalog/links.ts';

/** Bytes of the largest QR code: version 40 with the lowest level of correction. */
const codeBytesMax = 2_953;

/** One line for each link, optionally with its QR code below. */
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
  return `(${bytes.toLocaleString('en')} bytes: too long for a QR code; expected at most ${codeBytesMax.toLocaleString('en')})`;
}
