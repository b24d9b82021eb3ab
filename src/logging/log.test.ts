import { expect, test } from 'vitest';
import { UsageFault } from '../kernel/faults.ts';
import { openLog } from './log.ts';

function lines(): { written: string[]; write(line: string): void } {
  const written: string[] = [];
  return { written, write: (line) => void written.push(line) };
}

test('no password and no token gets into the log at any position', () => {
  const out = lines();
  const log = openLog('info', out);
  const url = 'postgres://perennial:s3cret@db:5432/shop';
  log.info({ url, telegram: { token: '123456:s3cret' } }, 'a');
  log.error({ err: new Error(`cannot reach ${url}`) }, `tried ${url}`);
  log.warn(
    {
      err: new Error('bad', { cause: new Error('https://api/bot123456:s3cretAAAAAAAAAAAAAAAAA') }),
    },
    'b',
  );
  expect(out.written).toHaveLength(3);
  expect(out.written.join('')).not.toContain('s3cret');
  expect(out.written[1]).toContain('postgres://perennial:***@db:5432/shop');
});

test('a password with an at sign is masked whole', () => {
  const out = lines();
  openLog('info', out).info({}, 'tried postgres://perennial:p@s3cret@db:5432/shop, not a@b');
  expect(out.written.join('')).toContain('postgres://perennial:***@db:5432/shop, not a@b');
});

test('the time for a line is linear: none of these lines takes minutes', () => {
  const out = lines();
  const log = openLog('info', out);
  const pieces = ['a.', 'a://', '://x:', '://:@', 'bot1', 'bot11111:x', 'x:y@', '@'];
  for (const piece of pieces) log.info({}, piece.repeat(500_000 / piece.length));
  expect(out.written).toHaveLength(pieces.length);
});

test('a line is JSON with its level as a word', () => {
  const out = lines();
  openLog('info', out).info({ workers: ['auto-renewal'] }, 'ready');
  expect(JSON.parse(out.written[0] ?? '')).toMatchObject({ level: 'info', msg: 'ready' });
});

test('an unknown level is refused by name', () => {
  expect(() => openLog('loud')).toThrow(UsageFault);
  expect(() => openLog('loud')).toThrow(
    /PERENNIAL_LOG_LEVEL: "loud" is not a level; available: trace, debug/,
  );
});
