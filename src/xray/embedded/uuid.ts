import { createHash } from 'node:crypto';

// Xray's parser of UUIDs, with all invalid forms that it accepts (docs/xray-facts.md). A stricter
// embedded node would refuse a truncated UUID in tests, and a real Xray would accept it.

export type Read = { readonly id: string } | { readonly wrong: string };

function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A UUIDv5 in the nil namespace, of 1 to 30 bytes. */
function hashed(text: string): string {
  const hash = createHash('sha1').update(Buffer.alloc(16)).update(text).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return dashed(hash.toString('hex'));
}

/** The canonical UUID of a text, or the text of the error. */
export function readAsXray(text: string): Read {
  const bytes = Buffer.byteLength(text);
  const invalid = { wrong: `common/uuid: invalid UUID: ${text}` };
  if (bytes === 0 || bytes === 31 || bytes > 36) return invalid;
  if (bytes < 31) return { id: hashed(text) };
  let rest = text;
  let hex = '';
  for (const digits of [8, 4, 4, 4, 12]) {
    if (rest.startsWith('-')) rest = rest.slice(1);
    if (rest.length < digits) return invalid;
    const group = rest.slice(0, digits);
    const bad = /[^0-9a-f]/i.exec(group)?.[0];
    if (bad !== undefined) return { wrong: `encoding/hex: invalid byte: ${inGo(bad)}` };
    hex += group.toLowerCase();
    rest = rest.slice(digits);
  }
  return { id: dashed(hex) };
}

/** Go's `%#U`. */
function inGo(char: string): string {
  const code = char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  return `U+${code} '${char}'`;
}
