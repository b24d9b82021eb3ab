import { describe, expect, test } from 'vitest';
import { now, parseTime, relevanceOf } from '../../test/support/relevance.ts';
import { dayMs, hourMs, type Instant, later } from '../kernel/instant.ts';
import { noticeKinds, noticeSpecs } from '../outbox/kinds.ts';

describe('at night', () => {
  const zone = 'Europe/Moscow'; // UTC+3
  const customer = { timeZone: zone };
  const far = (when: Instant) => ({ end: later(when, 26 * hourMs), customer, now: when });

  test.each([
    ['22:59:59.999 in the evening', '2026-11-25T19:59:59.999Z', 'send'],
    ['23:00', '2026-11-25T20:00:00Z', '2026-11-26T06:00:00Z'],
    ['midnight', '2026-11-25T21:00:00Z', '2026-11-26T06:00:00Z'],
    ['8:59:59.999', '2026-11-26T05:59:59.999Z', '2026-11-26T06:00:00Z'],
    ['9:00 in the morning', '2026-11-26T06:00:00Z', 'send'],
  ])('%s: a reminder', (_, when, expected) => {
    const verdict = relevanceOf('ends_24h', far(parseTime(when)));
    if (expected === 'send') expect(verdict).toMatchObject({ do: 'send', silent: false });
    else
      expect(verdict).toEqual({
        do: 'wait',
        until: parseTime(expected),
        waitsFor: 'morning',
      });
  });

  test.each(
    noticeKinds.filter(
      (kind) => !noticeSpecs[kind].waitsForMorning && noticeSpecs[kind].to === 'customer',
    ),
  )('%s goes at once, without a sound', (kind) => {
    const when = parseTime('2026-11-25T23:00:00Z');
    expect(relevanceOf(kind, { ...far(when), createdAt: when })).toMatchObject({
      do: 'send',
      silent: true,
    });
  });

  test('an alarm has a sound', () => {
    const when = parseTime('2026-11-25T23:00:00Z');
    expect(relevanceOf('alarm_worker', { now: when, createdAt: when })).toMatchObject({
      silent: false,
    });
  });

  test('a reminder that would wait past the end is sent at once, without a sound', () => {
    const when = parseTime('2026-11-25T23:00:00Z'); // 2 at night; 9 h is 6:00 UTC
    const morning = parseTime('2026-11-26T06:00:00Z');
    expect(relevanceOf('ends_3h', { end: later(morning, 1), customer, now: when })).toEqual({
      do: 'wait',
      until: morning,
      waitsFor: 'morning',
    });
    expect(relevanceOf('ends_3h', { end: morning, customer, now: when })).toMatchObject({
      do: 'send',
      silent: true,
    });
  });

  test('a reminder that would wait until the next one is sent at once as well', () => {
    const when = parseTime('2026-11-25T23:00:00Z');
    const morning = parseTime('2026-11-26T06:00:00Z');
    const given = { customer, now: when };
    expect(relevanceOf('ends_24h', { ...given, end: later(morning, 3 * hourMs) })).toMatchObject({
      do: 'send',
    });
    expect(
      relevanceOf('ends_24h', { ...given, end: later(morning, 3 * hourMs + 1) }),
    ).toMatchObject({
      do: 'wait',
    });
  });

  test('an unknown zone counts as UTC', () => {
    const given = { customer: { timeZone: 'Mars/Olympus' }, end: later(now, dayMs) };
    expect(relevanceOf('ends_24h', given)).toMatchObject({ do: 'send', silent: false });
  });
});
