import { describe, expect, test } from 'vitest';
import { Fault } from '../../kernel/faults.ts';
import { type Instant, instant, minuteMs, secondMs } from '../../kernel/instant.ts';
import {
  type ConnectionEvent,
  type ConnectionState,
  decideWork,
  type GoodProbe,
  getPauseMs,
  getWorkError,
  initialState,
  transition,
} from './connection-state.ts';

const bootAt: Instant = instant(Date.parse('2026-11-24T09:00:00Z'));
const transient = new Fault('transient', 'node_lost', 'connection lost');
const permanent = new Fault('permanent', 'node_refused', 'call refused');
const missing = new Fault('permanent', 'unknown_inbound', 'no inbound "vless"');

const probed = (more: Partial<GoodProbe> = {}): ConnectionEvent => ({
  is: 'probed',
  probe: {
    ...{ uptimeS: 60, connected: 1, bootWindow: { fromMs: -60_000, toMs: -59_000 }, bootAt },
    ...{ isNewBoot: false, forgotten: false, isSeeded: true },
    ...{ capabilitiesKey: 'link 1', storedAdditions: 0 },
    ...more,
  },
});
const restarted = probed({ isNewBoot: true, forgotten: true, isSeeded: false });
const checked: ConnectionEvent = { is: 'checked', capabilitiesKey: 'link 1' };
const blocked: ConnectionEvent = { is: 'blocked', fault: missing };
const failed = (fault: Fault): ConnectionEvent => ({ is: 'failed', fault });

/** All events at 0 ms. */
const stateAfter = (...events: readonly ConnectionEvent[]): ConnectionState =>
  events.reduce((state, event) => transition(state, event, 0), initialState);

const states = {
  outage: stateAfter(),
  check: stateAfter(probed()),
  blockade: stateAfter(probed(), blocked),
  sync: stateAfter(probed(), checked),
};

test.each(Object.entries(states))('the events lead to %s', (kind, state) => {
  expect(state.kind).toBe(kind);
});

describe('transitions', () => {
  test.for<[string, ConnectionEvent, string]>([
    // A failed probe, a transient failure and a new connection end all work.
    ['outage', { is: 'unanswered' }, 'outage'],
    ['check', { is: 'unanswered' }, 'outage'],
    ['blockade', { is: 'unanswered' }, 'outage'],
    ['sync', { is: 'unanswered' }, 'outage'],
    ['check', failed(transient), 'outage'],
    ['blockade', failed(transient), 'outage'],
    ['sync', failed(transient), 'outage'],
    ['check', { is: 'disconnected' }, 'outage'],
    ['blockade', { is: 'disconnected' }, 'outage'],
    ['sync', { is: 'disconnected' }, 'outage'],
    // Only a good probe ends an outage.
    ['outage', checked, 'outage'],
    ['outage', blocked, 'outage'],
    ['outage', { is: 'applied', pauses: 0 }, 'outage'],
    ['outage', failed(permanent), 'outage'],
    ['outage', probed(), 'check'],
    // A check decides between additions and removals only.
    ['check', checked, 'sync'],
    ['check', blocked, 'blockade'],
    ['blockade', checked, 'sync'],
    ['blockade', blocked, 'blockade'],
    // Another fault than a transient one requires a new check.
    ['check', failed(permanent), 'check'],
    ['blockade', failed(permanent), 'blockade'],
    ['sync', failed(permanent), 'check'],
    // A good probe changes nothing, unless users are lost or the inbounds or the link changed.
    ['check', probed(), 'check'],
    ['blockade', probed(), 'blockade'],
    ['sync', probed(), 'sync'],
    ['sync', probed({ capabilitiesKey: 'link 2' }), 'check'],
    ['blockade', probed({ capabilitiesKey: 'link 2' }), 'blockade'],
    ['check', restarted, 'check'],
    ['blockade', restarted, 'check'],
    ['sync', restarted, 'check'],
    ['sync', { is: 'added' }, 'sync'],
    ['sync', { is: 'scanned' }, 'sync'],
  ])('%s, event %o: %s', ([kind, event, next]) => {
    expect(transition(states[kind as keyof typeof states], event, 0).kind).toBe(next);
  });

  test('a blockade outlasts an outage, but no new boot and no other connection', () => {
    expect(stateAfter(probed(), blocked, { is: 'unanswered' }, probed()).kind).toBe('blockade');
    expect(stateAfter(probed(), blocked, { is: 'unanswered' }, restarted).kind).toBe('check');
    expect(stateAfter(probed(), blocked, { is: 'disconnected' }, probed()).kind).toBe('check');
  });

  test('an outage keeps what the last probe found, and a new connection forgets it', () => {
    expect(stateAfter(probed(), { is: 'unanswered' }).sighting?.uptimeS).toBe(60);
    expect(stateAfter(probed(), { is: 'disconnected' }).sighting).toBeUndefined();
  });

  test('boots are counted only if they are certain', () => {
    expect(stateAfter(restarted, probed({ forgotten: true }), restarted).bootCount).toBe(2);
  });
});

describe('the seed', () => {
  const drained: ConnectionEvent = { is: 'drained' };
  const seeded: ConnectionEvent = { is: 'seeded' };
  const unseeded = probed({ isSeeded: false });
  test.for<[string, readonly ConnectionEvent[], ConnectionState['seed']]>([
    ['a seeded node', [probed()], 'done'],
    ['a seed that another keeper began', [unseeded], 'marking'],
    ['a new boot', [restarted], 'drain'],
    ['lost users', [probed(), probed({ forgotten: true })], 'drain'],
    ['a new boot, drained', [restarted, drained], 'marking'],
    ['a new boot before the drain, and a good probe', [restarted, unseeded], 'drain'],
    ['a new boot, an outage, a good probe', [restarted, { is: 'unanswered' }, unseeded], 'drain'],
    ['all chunks marked', [restarted, drained, seeded], 'done'],
    ['lost users during the last chunk', [restarted, drained, restarted, seeded], 'drain'],
    ['a drain that is not due', [probed(), drained], 'done'],
  ])('%s', ([, events, seed]) => {
    expect(stateAfter(...events).seed).toBe(seed);
  });
});

describe('the work', () => {
  test('an outage stops it; each other state has its step', () => {
    expect(decideWork(states.outage, minuteMs)).toEqual({ do: 'wait' });
    expect(decideWork(states.check, 0)).toEqual({ do: 'check' });
    expect(decideWork(states.blockade, 0)).toEqual({ do: 'remove', removals: 'all' });
    expect(decideWork(states.sync, 0)).toEqual({ do: 'apply' });
  });

  test('an unseeded boot is seeded, after a drain if pages from before the loss are in progress', () => {
    expect(decideWork(stateAfter(restarted, checked), 0)).toEqual({
      ...{ do: 'seed', bootAt, mustDrain: true },
    });
    expect(decideWork(stateAfter(restarted, checked, { is: 'drained' }), 0)).toEqual({
      ...{ do: 'seed', bootAt, mustDrain: false },
    });
  });

  test('in a blockade all removals come once after each check, then the urgent ones', () => {
    const scanned = stateAfter(probed(), blocked, { is: 'scanned' });
    expect(decideWork(scanned, 0)).toEqual({ do: 'remove', removals: 'urgent' });
    expect(decideWork(scanned, secondMs - 1)).toEqual({ do: 'remove', removals: 'urgent' });
    expect(decideWork(scanned, secondMs)).toEqual({ do: 'check' });
    const again = transition(scanned, blocked, secondMs);
    expect(decideWork(again, 3 * secondMs - 1)).toEqual({ do: 'remove', removals: 'all' });
    expect(decideWork(again, 3 * secondMs)).toEqual({ do: 'check' });
  });

  test('a failure pauses it for 1, 2, 4 s, also after the node has returned', () => {
    const once = stateAfter(probed(), checked, failed(transient), probed());
    expect(decideWork(once, secondMs - 1)).toEqual({ do: 'wait' });
    expect(decideWork(once, secondMs)).toEqual({ do: 'check' });
    expect(getPauseMs(transition(once, failed(transient), 0), 0)).toBe(2 * secondMs);
    expect(getPauseMs(once, 2 * secondMs)).toBe(0);
  });

  test('an applied page ends the row of failures, unless another page failed since its start', () => {
    const once = stateAfter(probed(), checked, failed(permanent));
    const late = transition(once, { is: 'applied', pauses: 0 }, 0);
    expect([late.pause.failures, getWorkError(late)]).toEqual([1, 'call refused']);
    const applied = transition(once, { is: 'applied', pauses: 1 }, 0);
    expect([applied.pause.failures, getWorkError(applied)]).toEqual([0, null]);
    expect(applied.pause.total).toBe(1);
  });

  test('its error is the last failure, else the blockade', () => {
    expect(getWorkError(states.sync)).toBeNull();
    expect(getWorkError(states.blockade)).toBe('no inbound "vless"');
    expect(getWorkError(stateAfter(probed(), blocked, failed(permanent)))).toBe('call refused');
    expect(getWorkError(stateAfter(probed(), blocked, { is: 'unanswered' }))).toBe(
      'no inbound "vless"',
    );
  });
});

test('additions after a probe took its count are stored by the next one', () => {
  const before = stateAfter(probed(), checked, { is: 'added' });
  const during = transition(before, { is: 'added' }, 0);
  const stored = transition(during, probed({ storedAdditions: before.additions }), 0);
  expect(stored.additions - stored.storedAdditions).toBe(1);
});
