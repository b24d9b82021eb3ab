import { encode } from 'uqr';
import { expect, test } from 'vitest';
import { toQrPath } from './qr-path.ts';

/** The modules that the rectangles of a path cover. */
function readModules(path: string, size: number): boolean[][] {
  const modules = Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  for (const [, x, y, width, back] of path.matchAll(/M(\d+) (\d+)h(\d+)v1H(\d+)z/g)) {
    expect(back).toBe(x);
    for (let at = Number(x); at < Number(x) + Number(width); at += 1) {
      const row = modules[Number(y)] as boolean[];
      expect(row[at]).toBe(false);
      row[at] = true;
    }
  }
  return modules;
}

test('the path of a QR code covers each dark module once, and no other one', () => {
  const { data, size } = encode('vless://00000000-0000-4000-8000-000000000000@nl1.example.net:443');
  expect(readModules(toQrPath(data), size)).toEqual(data);
});
