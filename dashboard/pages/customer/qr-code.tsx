import { encode } from 'uqr';
import { useText } from '../../shell/language.tsx';

// A QR code as one path of an SVG.

/** Bytes of the largest QR code: version 40 with the lowest level of correction. */
const bytesMax = 2_953;
/** The quiet zone around the modules, by the standard. */
const border = 4;

/** One rectangle for each run of dark modules of a row. */
export function toQrPath(modules: readonly (readonly boolean[])[]): string {
  const runs: string[] = [];
  for (const [y, row] of modules.entries()) {
    for (let x = 0; x < row.length; x += 1) {
      if (row[x] !== true) continue;
      const start = x;
      while (row[x + 1] === true) x += 1;
      runs.push(`M${start} ${y}h${x - start + 1}v1H${start}z`);
    }
  }
  return runs.join('');
}

export function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const t = useText();
  if (new TextEncoder().encode(text).length > bytesMax) return <p>{t('customer-qr-too-long')}</p>;
  const { data, size } = encode(text, { border });
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label}>
      <path d={toQrPath(data)} shape-rendering="crispEdges" />
    </svg>
  );
}
