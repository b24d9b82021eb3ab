import { createHash } from 'node:crypto';

// Xray's parser of UUIDs, with all invalid forms that it accepts (docs/xray-facts.md). A stricter
// embedded node would refuse a truncated UUID in tests, and a real Xray would accept it.

export type ParsedUuid = { readonly id: string } | { readonly problem: string };

function formatUuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A UUIDv5 in the nil namespace, of 1 to 30 bytes. */
function hashUuid(text: string): string {
  const hash = createHash('sha1').update(Buffer.alloc(16)).update(text).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return formatUuid(hash.toString('hex'));
}

/** The canonical UUID of a text, or the text of the error. */
export function parseXrayUuid(text: string): ParsedUuid {
  const bytes = Buffer.byteLength(text);
  const invalid = { problem: `common/uuid: invalid UUID: ${text}` };
  if (bytes === 0 || bytes === 31 || bytes > 36) return invalid;
  if (bytes < 31) return { id: hashUuid(text) };
  let remaining = text;
  let hex = '';
  for (const digits of [8, 4, 4, 4, 12]) {
    if (remaining.startsWith('-')) remaining = remaining.slice(1);
    if (remaining.length < digits) return invalid;
    const group = remaining.slice(0, digits);
    const invalidChar = /[^0-9a-f]/i.exec(group)?.[0];
    if (invalidChar !== undefined)
      return { problem: `encoding/hex: invalid byte: ${formatGoChar(invalidChar)}` };
    hex += group.toLowerCase();
    remaining = remaining.slice(digits);
  }
  return { id: formatUuid(hex) };
}

/** Go's `%#U`. */
function formatGoChar(char: string): string {
  const code = char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  return `U+${code} '${char}'`;
}
