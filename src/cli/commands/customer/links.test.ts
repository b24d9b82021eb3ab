import { encode } from 'uqr';
import { expect, test } from 'vitest';
import { formatLinks } from './links.ts';

const createLink = (link: string) => ({ subscription_id: 1, node: 'nl-1', link, error: null });
const vless = (bytes: number) => `vless://${'a'.repeat(bytes - 'vless://'.length)}`;

/** Each character is two modules, one above the other. A blank is dark. */
const halves: Readonly<Record<string, readonly [upper: boolean, lower: boolean]>> = {
  ' ': [true, true],
  '▀': [false, true],
  '▄': [true, false],
  '█': [false, false],
};

/** The modules of a drawn code, dark ones true. */
function modulesOf(drawing: readonly string[]): boolean[][] {
  return drawing.flatMap((line) => {
    const read = [...line].map((character) => halves[character] ?? [undefined, undefined]);
    return [0, 1].map((half) => read.map((pair) => pair[half] as boolean));
  });
}

const masks: readonly ((x: number, y: number) => number)[] = [
  (x, y) => (x + y) % 2,
  (_, y) => y % 2,
  (x) => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** Modules of version 2 without data: finders, timing, format, the alignment pattern. */
const isFixed = (x: number, y: number) =>
  (x < 9 && (y < 9 || y > 16)) ||
  (x > 16 && y < 9) ||
  x === 6 ||
  y === 6 ||
  (Math.abs(x - 18) <= 2 && Math.abs(y - 18) <= 2);

/** The text of a code of version 2 (25 modules, one block), decoded by ISO 18004. */
function readCode(modules: readonly (readonly boolean[])[]): string {
  const at = (x: number, y: number): number => (modules[y]?.[x] === true ? 1 : 0);
  const mask = masks[((at(2, 8) << 2) | (at(3, 8) << 1) | at(4, 8)) ^ 0b101] as (typeof masks)[0];
  let bits = '';
  for (let right = 24; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < 25; step += 1) {
      const y = ((right + 1) & 2) === 0 ? 24 - step : step;
      for (const x of [right, right - 1]) {
        if (!isFixed(x, y)) bits += at(x, y) ^ (mask(x, y) === 0 ? 1 : 0);
      }
    }
  }
  expect(bits.slice(0, 4)).toBe('0100'); // bytes
  const length = Number.parseInt(bits.slice(4, 12), 2);
  const bytes = Array.from({ length }, (_, n) => bits.slice(12 + n * 8, 20 + n * 8));
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2))).toString();
}

test('a scanner reads the link from the drawn code', () => {
  const link = 'vless://u@h.example:443?type=tcp';
  const drawing = formatLinks([createLink(link)], true)
    .split('\n')
    .slice(1);
  const inside = modulesOf(drawing)
    .slice(1, 26)
    .map((row) => row.slice(1, -1));
  expect(inside.map((row) => row.length)).toEqual(Array(25).fill(25));
  expect(readCode(inside)).toBe(link);
});

test.each([
  [60, 'short'],
  [300, 'usual'],
  [2_953, 'the longest'],
])('a link of %i bytes is drawn as its QR code, module by module (%s)', (bytes) => {
  const link = vless(bytes);
  const [line, ...drawing] = formatLinks([createLink(link)], true).split('\n');
  expect(line).toBe(`nl-1: ${link}`);
  const { size, data } = encode(link);
  const modules = modulesOf(drawing);
  // An odd number of rows ends with half a line. Scanners ignore its other half.
  expect(modules.slice(0, size)).toEqual(data);
  expect(modules.length - size).toBeLessThanOrEqual(1);
  // A scanner finds the code by its light edge.
  for (const at of [0, size - 1]) {
    expect(modules[at]).not.toContain(true);
    expect(modules.slice(0, size).map((row) => row[at])).not.toContain(true);
  }
});

test('a link that is too long for a QR code is printed with that reason; other links have a code', () => {
  const [long, short] = [vless(2_954), vless(60)];
  const lines = formatLinks([createLink(long), createLink(short)], true).split('\n');
  expect(lines.slice(0, 3)).toEqual([
    `nl-1: ${long}`,
    '(2,954 bytes: too long for a QR code; expected at most 2,953)',
    `nl-1: ${short}`,
  ]);
  expect(modulesOf(lines.slice(3)).slice(0, encode(short).size)).toEqual(encode(short).data);
});

test('a link with wrong settings is printed as its fault, without a code', () => {
  const broken = { subscription_id: 1, node: 'nl-1', link: null, error: 'link.pbk is missing' };
  expect(formatLinks([broken], true)).toBe('nl-1: link.pbk is missing');
});
