import { encode } from 'uqr';
import { useText } from '../../shell/language.tsx';
import { toQrPath } from './qr-path.ts';

// A QR code as one path of an SVG.

/** Bytes of the largest QR code: version 40 with the lowest level of correction. */
const bytesMax = 2_953;
/** The quiet zone around the modules, by the standard. */
const border = 4;

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
