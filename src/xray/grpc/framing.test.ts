import { expect, test } from 'vitest';
import { Deframer, frameMessage } from './framing.ts';

const message = Buffer.from('who may connect');

test.each([1, 2, 3, 5, 7, 100])('a message in pieces of %i bytes is complete', (size) => {
  const deframer = new Deframer(1_000);
  const bytes = frameMessage(message);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    deframer.take(bytes.subarray(at * size, (at + 1) * size)),
  );
  deframer.end();
  expect(Buffer.concat(pieces)).toEqual(message);
});

test('an empty message is a message', () => {
  const deframer = new Deframer(1_000);
  expect(deframer.take(frameMessage(Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
  deframer.end();
});

test.each<[string, Buffer[], RegExp]>([
  ['none', [], /without a message/],
  ['half a prefix', [frameMessage(message).subarray(0, 3)], /without a message/],
  ['one that is cut off', [frameMessage(message).subarray(0, -2)], /ends 2 bytes early/],
  ['one more byte', [frameMessage(message), Buffer.from('!')], /more than one/],
  [
    'a compressed message',
    [Buffer.concat([Buffer.from([1]), frameMessage(message).subarray(1)])],
    /compressed/,
  ],
])('%s is no message', (_, pieces, error) => {
  const deframer = new Deframer(1_000);
  expect(() => {
    for (const piece of pieces) deframer.take(piece);
    deframer.end();
  }).toThrow(error);
});
