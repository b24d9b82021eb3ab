// Values that clients accept, as names and shapes (docs/xray-facts.md, "Links"). Pure.

/** Fingerprints that graphical clients offer. */
const commonFingerprints =
  'chrome firefox safari ios android edge 360 qq random randomized randomizednoalpn';

/** Versions of Xray's own names: `hellochrome_120`. */
const versions: Readonly<Record<string, string>> = {
  chrome:
    'auto 58 62 70 72 83 87 96 100 102 106_shuffle 120 131 133 100_psk 112_psk_shuf 114_padding_psk_shuf 115_pq 115_pq_psk 120_pq',
  firefox: 'auto 55 56 63 65 99 102 105 120 148',
  ios: 'auto 11_1 12_1 13 14',
  android: '11_okhttp',
  edge: 'auto 85 106',
  safari: 'auto 16_0 26_3',
  360: 'auto 7_5 11_0',
  qq: 'auto 11_1',
};

const fingerprints = new Set([
  ...commonFingerprints.split(' '),
  ...['hellorandomized', 'hellorandomizedalpn', 'hellorandomizednoalpn'],
  ...Object.entries(versions).flatMap(([browser, numbers]) =>
    numbers.split(' ').map((number) => `hello${browser}_${number}`),
  ),
]);

/** TLS without a fingerprint, and Go's own one: REALITY refuses both. */
const tlsOnlyFingerprints = ['unsafe', 'hellogolang'];

export const fingerprintNames = commonFingerprints.split(' ').join(', ');

export const isFingerprint = (name: string, security: 'tls' | 'reality'): boolean =>
  fingerprints.has(name) || (security === 'tls' && tlsOnlyFingerprints.includes(name));

/** True if the text has this number of bytes as base64url without padding. */
export function isBase64Url(text: string, bytes: number): boolean {
  return /^[A-Za-z0-9_-]+$/.test(text) && text.length === Math.ceil((bytes * 4) / 3);
}

const keyBytes = [32, 1_184] as const;

/** `none`, or VLESS's own encryption: its name, a mode, a handshake, paddings, and keys. */
export function isEncryption(text: string): boolean {
  if (text === 'none') return true;
  const [name, mode = '', handshake = '', ...blocks] = text.split('.');
  const isKey = (block: string) => keyBytes.some((bytes) => isBase64Url(block, bytes));
  const firstKey = blocks.findIndex((block) => block.length >= 20);
  return (
    name === 'mlkem768x25519plus' &&
    ['native', 'xorpub', 'random'].includes(mode) &&
    ['1rtt', '0rtt'].includes(handshake) &&
    firstKey >= 0 &&
    arePaddings(blocks.slice(0, firstKey)) &&
    blocks.slice(firstKey).every(isKey)
  );
}

/**
 * `100-111-1111`, a chance and a range, for lengths and gaps by turns. The first one is certain.
 */
function arePaddings(blocks: readonly string[]): boolean {
  return blocks.every((block, at) => {
    const [chance = 0, from = 0, to = 0] = /^\d{1,9}-\d{1,9}-\d{1,9}$/.test(block)
      ? block.split('-').map(Number)
      : [-1];
    if (chance < 0) return false;
    return at > 0 || (chance >= 100 && from >= 35 && to >= 35);
  });
}

/** SHA-256 of certificates in hex, with commas in between; colons are allowed. */
export function areCertificatePins(text: string): boolean {
  return text.split(',').every((pin) => /^[0-9a-f]{64}$/i.test(pin.trim().replaceAll(':', '')));
}

/** A path of the spider: an absolute URL path that can be decoded. */
export function isSpiderPath(text: string): boolean {
  return /^\/(?:[^\s%\p{Cc}]|%[0-9a-f]{2})*$/iu.test(text) && !text.startsWith('//');
}

/**
 * A path of WebSocket. Clients read it as a part of a URL: `#` ends it, and `%` begins an escape.
 */
export function isWsPath(text: string): boolean {
  return /^(?:[^#%]|%[0-9a-f]{2})*$/i.test(text);
}

/** ECH configurations in base64, or the URL of a DNS server that has them. */
export function isEch(text: string): boolean {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 || /^(?:[\w.-]+\+)?(?:https|h2c|udp):\/\/\S+$/.test(text);
}
