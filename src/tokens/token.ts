import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

// The text of a secret: a prefix, 8 characters of its id, 32 secret ones (190 bits), and 6 of a
// checksum. The prefix lets scanners find a leaked secret. The checksum rejects a mistyped one
// without a query. `prn_` is a token of the HTTP API, `prl_` a sign-in link, `prs_` a session.

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const idLength = 8;
const secretLength = 32;
const tokenPattern = /^(prn|prl|prs)_([0-9A-Za-z]{8})[0-9A-Za-z]{32}[0-9A-Za-z]{6}$/;

export type TokenPrefix = 'prn' | 'prl' | 'prs';

/**
 * The rights of a token. Each of `read`, `sell` and `admin` includes those before it, and the
 * metrics. `metrics` allows only the metrics.
 */
export const tokenScopes = ['read', 'sell', 'admin', 'metrics'] as const;
export type TokenScope = (typeof tokenScopes)[number];

const rankedScopes: readonly TokenScope[] = ['read', 'sell', 'admin'];

export interface NewToken {
  /** Shown to its owner once. */
  readonly text: string;
  readonly id: string;
  readonly hash: Buffer;
}

/** Letters and digits with equal probability: bytes above the last whole 62 are dropped. */
function generateText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += alphabet[byte % 62];
    }
  }
  return text;
}

function computeChecksum(text: string): string {
  let remainder = crc32(text);
  let digits = '';
  for (let index = 0; index < 6; index += 1) {
    digits = `${alphabet[remainder % 62]}${digits}`;
    remainder = Math.floor(remainder / 62);
  }
  return digits;
}

export function generateToken(prefix: TokenPrefix = 'prn'): NewToken {
  const id = generateText(idLength);
  const body = `${prefix}_${id}${generateText(secretLength)}`;
  const text = `${body}${computeChecksum(body)}`;
  return { text, id, hash: hashToken(text) };
}

/** The id in a token; undefined if the text is not a token with this prefix. */
export function parseTokenId(text: string, prefix: TokenPrefix = 'prn'): string | undefined {
  const [, kind, id] = tokenPattern.exec(text) ?? [];
  if (kind !== prefix || id === undefined) return undefined;
  return computeChecksum(text.slice(0, -6)) === text.slice(-6) ? id : undefined;
}

/** A random secret needs no slow hash, because it cannot be guessed. */
export function hashToken(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Compares hashes in a time that does not depend on where they differ. */
export function isSameHash(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** True if a holder of these scopes may do an action of `wanted`. */
export function hasScope(heldScopes: readonly TokenScope[], wanted: TokenScope): boolean {
  if (wanted === 'metrics') return heldScopes.length > 0;
  return heldScopes.some((scope) => rankedScopes.indexOf(scope) >= rankedScopes.indexOf(wanted));
}

/**
 * Letters, digits, signs and single spaces between them, so that a log line can contain the name.
 */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+( [\p{L}\p{M}\p{N}\p{P}\p{S}]+)*$/u;

export const isTokenName = (name: string): boolean =>
  [...name].length <= 64 && name === name.normalize('NFC') && printable.test(name);
