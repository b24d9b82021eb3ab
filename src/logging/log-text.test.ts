import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { openLog } from './log.ts';

function textLog() {
  let text = '';
  const out = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  return { log: openLog('info', out, { format: 'text' }), read: () => text };
}

test('a line for a person has the time, the level, the message and its fields', () => {
  const { log, read } = textLog();
  log.info({ workers: ['a', 'b'], database: 'db:5432/shop', sentence: 'two words' }, 'ready');
  expect(read()).toMatch(
    /^\d\d:\d\d:\d\d INFO {2}ready workers=a,b database=db:5432\/shop sentence="two words"\n$/,
  );
});

test('an error is one line with its cause, and a fatal one has its stack', () => {
  const { log, read } = textLog();
  log.error({ err: new Error('no route') }, 'run failed');
  expect(read()).toMatch(/^\S+ ERROR run failed \(no route\)\n$/);
  log.fatal({ err: new Error('a bug') }, 'uncaught error');
  expect(read()).toMatch(/FATAL uncaught error \(a bug\)\nError: a bug\n {4}at /);
});

test('secrets are masked in text too', () => {
  const { log, read } = textLog();
  log.info({}, 'tried postgres://me:s3cret@db/shop');
  expect(read()).not.toContain('s3cret');
});

test('a value with an escape sequence does not reach the terminal as one', () => {
  const { log, read } = textLog();
  log.info({ route: 'a\u001b]0;x\u0007', list: ['\u009b2J'] }, 'm\u001b[31m');
  expect(read()).not.toMatch(/[^\P{Cc}\n]/u);
});
