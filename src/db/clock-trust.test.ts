import { describe, expect, test } from 'vitest';
import { dayMs, hourMs, type Instant, instant, later, minuteMs } from '../kernel/instant.ts';
import {
  assessClock,
  type ClockFacts,
  detectSkew,
  detectSuspicion,
  type MachineWitness,
  stepsToStore,
  suspectLostCommits,
} from './clock-trust.ts';
import { detectNodeSuspicion, type NodeVote } from './clock-votes.ts';

const start = instant(Date.parse('2026-11-01T00:00:00Z'));
const witnessAt = (at: Instant) => ({ name: 'host-1', uptimeMs: dayMs, at, isFloor: false });
const noSteps = { steppedMs: 0, stepsSinceMs: dayMs };
const uptime = (ms: number) => ({ from: dayMs + ms, to: dayMs + ms });

/** The machine was read at `start` and an uptime of a day; `passedMs` later it reads `now`. */
const facts = (now: Instant, passedMs: number, more: Partial<ClockFacts> = {}): ClockFacts => ({
  now,
  isStored: false,
  markAt: start,
  stored: null,
  timeline: 1,
  knownTimeline: 1,
  wasSynchronous: false,
  witness: { ...witnessAt(start), ...noSteps },
  uptimeMs: uptime(passedMs),
  machine: 'host-1',
  skewMs: 0,
  ...more,
});

describe('the time sentinel compares a jump with the time that a monotonic clock passed', () => {
  const passed = 10_000;
  const right = later(start, passed);
  test.each([
    ['the same time', right, undefined],
    ['60 s ahead', later(right, minuteMs), undefined],
    ['61 s ahead', later(right, minuteMs + 1_001), 'ahead'],
    ['60 s back', later(right, -minuteMs), undefined],
    ['61 s back', later(right, -minuteMs - 1_001), 'back'],
    ['a year ahead', later(right, 365 * dayMs), 'ahead'],
    ['25 days back', later(right, -25 * dayMs), 'back'],
  ])('%s', (_, now, cause) => {
    expect(detectSuspicion(facts(now, passed))?.cause).toBe(cause);
  });

  test('after a week, a clock that gains 100 ppm has no jump, and an hour is a jump', () => {
    const week = later(start, 7 * dayMs);
    const gained = later(week, (7 * dayMs) / 10_000);
    const read = facts(gained, 7 * dayMs);
    expect(detectSuspicion(read)).toBeUndefined();
    expect(stepsToStore(read)).toBeUndefined();
    expect(detectSuspicion(facts(later(week, hourMs), 7 * dayMs))?.byMs).toBe(hourMs);
  });

  test('a process that is suspended within the read of the database suspects no clock', () => {
    const uptimeMs = { from: dayMs, to: dayMs + hourMs };
    for (const now of [start, later(start, hourMs)]) {
      expect(detectSuspicion(facts(now, 0, { uptimeMs }))).toBeUndefined();
    }
  });

  test.each([
    ['no witness, and the machine 61 s behind', { witness: null, skewMs: -61_000 }, 'ahead'],
    ['no witness, and the machine a year ahead', { witness: null, skewMs: 365 * dayMs }, 'back'],
    ['no witness, and the machine 60 s behind', { witness: null, skewMs: -minuteMs }, undefined],
    ['a witness that agrees, and a machine that is behind', { skewMs: -hourMs }, undefined],
  ])('%s', (_, more, cause) => {
    const read = facts(right, passed, more);
    expect(detectSkew(read)?.cause).toBe(cause);
    expect(assessClock(read).kind).toBe(cause === undefined ? 'trusted' : 'suspect');
  });

  test('the reason states the clock, the direction and the amount', () => {
    expect(detectSuspicion(facts(later(start, 3 * hourMs + passed), passed))).toEqual({
      cause: 'ahead',
      byMs: 3 * hourMs,
      reason: 'the database clock is 10800 s ahead of the uptime of host-1',
    });
  });
});

describe('the time sentinel adds up the steps of a clock within an hour', () => {
  /** One check each `everyMs`, when the clock has gained `byMs`. @returns the first suspicion */
  function suspicionAfter(everyMs: number, byMs: (check: number) => number, checks: number) {
    let witness: MachineWitness = { ...witnessAt(start), ...noSteps };
    for (let check = 1; check <= checks; check += 1) {
      const uptimeMs = { from: witness.uptimeMs + everyMs, to: witness.uptimeMs + everyMs };
      const now = later(witness.at, everyMs + byMs(check));
      const read = facts(now, 0, { witness, uptimeMs, markAt: null });
      const suspicion = detectSuspicion(read);
      if (suspicion !== undefined) return { ...suspicion, check };
      const steps = stepsToStore(read);
      if (steps === undefined) throw new Error('the checks are too rare');
      witness = { ...witness, ...steps, uptimeMs: uptimeMs.to, at: now };
    }
    return undefined;
  }
  const seconds = (count: number) => count * 1_000;

  test.each([
    ['+50 s every 20 s', seconds(20), () => seconds(50), { cause: 'ahead', check: 2 }],
    ['-50 s every 20 s', seconds(20), () => -seconds(50), { cause: 'back', check: 2 }],
    ['+5 s every 5 s', seconds(5), () => seconds(5), { cause: 'ahead', check: 13 }],
    ['+5 s every 5 min', seconds(300), () => seconds(5), undefined],
    ['+50 s every 61 min, seen every minute', minuteMs, hourly, undefined],
    ['a step back that corrects a step ahead', seconds(5), alternating, undefined],
    ['a slew of 83,333 ppm', seconds(5), () => seconds(5) / 12, undefined],
    ['a slew of 1,000 ppm, seen every minute', minuteMs, () => minuteMs / 1_000, undefined],
  ])('%s', (_, everyMs, byMs, expected) => {
    const found = suspicionAfter(everyMs, byMs, 2_000);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });

  function hourly(check: number): number {
    return check % 61 === 0 ? seconds(50) : 0;
  }
  function alternating(check: number): number {
    return check % 2 === 0 ? seconds(50) : -seconds(50);
  }

  test('the sum stays while the time is suspect, and the reason states it', () => {
    const witness = { ...witnessAt(start), steppedMs: seconds(50), stepsSinceMs: dayMs };
    const reasonAfter = (ms: number) =>
      detectSuspicion(facts(later(start, ms + seconds(50)), ms, { witness }))?.reason;
    const reason = 'the database clock is 100 s ahead of the uptime of host-1, in several steps';
    expect(reasonAfter(seconds(5))).toBe(reason);
    expect(reasonAfter(2 * hourMs)).toBe(reason);
    const read = facts(later(start, seconds(55)), seconds(5), { witness });
    expect(stepsToStore(read)).toBeUndefined();
  });
});

describe('the time sentinel without a witness of this boot', () => {
  const witness = null;
  test('a time behind the high-water mark is suspect, a later one is not', () => {
    expect(detectSuspicion(facts(later(start, -hourMs), 0, { witness }))?.cause).toBe('back');
    expect(detectSuspicion(facts(later(start, -minuteMs), 0, { witness }))).toBeUndefined();
    expect(detectSuspicion(facts(later(start, dayMs), 0, { witness }))).toBeUndefined();
  });

  test('a lowest time stays suspect until the wrong clock reaches it, and ends with the right time', () => {
    const floor = { ...witnessAt(start), ...noSteps, isFloor: true };
    const wrong = later(start, -hourMs + 2 * hourMs);
    expect(detectSuspicion(facts(wrong, 2 * hourMs, { witness: floor }))?.cause).toBe('back');
    const right = later(start, 3 * hourMs);
    expect(detectSuspicion(facts(right, 2 * hourMs, { witness: floor }))).toBeUndefined();
  });
});

describe('`assessClock`', () => {
  test('a stored suspicion holds also if the clocks agree', () => {
    const stored = { cause: 'ahead', byMs: hourMs, reason: 'of another replica' } as const;
    expect(assessClock(facts(start, 0, { stored }))).toEqual({ kind: 'suspect', ...stored });
  });

  test('the stored clock of a test database is trusted at any time of the other clocks', () => {
    const stored = suspectLostCommits('test');
    const now = later(start, 365 * dayMs);
    expect(assessClock(facts(now, 0, { isStored: true, stored }))).toEqual({ kind: 'trusted' });
  });

  test('a new timeline means lost commits, unless a standby had confirmed each commit', () => {
    const failover = { timeline: 2 };
    expect(assessClock(facts(start, 0, failover))).toMatchObject({ cause: 'commits_lost' });
    const confirmed = { ...failover, wasSynchronous: true };
    expect(assessClock(facts(start, 0, confirmed))).toEqual({ kind: 'trusted' });
  });
});

describe('the uptimes of nodes after a time in which no replica ran', () => {
  const vote = (uptimeMs: number, hasUsers = false, name = 'node nl-1'): NodeVote => ({
    before: { name, uptimeMs: 10 * dayMs, at: start, isFloor: false },
    uptimeMs,
    hasUsers,
  });
  const downMs = 20 * minuteMs;
  const right = later(start, downMs);

  test('a node that kept running shows a clock that is three hours ahead, or back', () => {
    const votes = [vote(10 * dayMs + downMs)];
    for (const by of [3 * hourMs, -3 * hourMs]) {
      expect(detectNodeSuspicion(later(right, by), votes)?.shiftMs).toBe(by);
    }
    expect(detectNodeSuspicion(right, votes)).toBeUndefined();
  });

  test('users on a node show that it kept running, also if the jump is longer than its uptime', () => {
    const year = later(right, 365 * dayMs);
    expect(detectNodeSuspicion(year, [vote(10 * dayMs + downMs)])).toBeUndefined();
    expect(detectNodeSuspicion(year, [vote(10 * dayMs + downMs, true)])?.shiftMs).toBe(365 * dayMs);
  });

  test('a restarted node shows no suspicion', () => {
    expect(detectNodeSuspicion(later(right, 3 * hourMs), [vote(minuteMs)])).toBeUndefined();
  });

  test('two nodes that kept running outvote one that was suspended', () => {
    const passedMs = 10 * dayMs + downMs;
    const stoppedVote = vote(10 * dayMs + minuteMs, true, 'node nl-3');
    expect(
      detectNodeSuspicion(right, [vote(passedMs), stoppedVote, vote(passedMs)]),
    ).toBeUndefined();
    expect(detectNodeSuspicion(right, [stoppedVote])?.suspicion.cause).toBe('ahead');
  });
});
