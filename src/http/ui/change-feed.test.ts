import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { beforeEach, expect, test, vi } from 'vitest';
import { type ChangeMarks, changeTopics } from '../../operators/changes.ts';
import { ChangeFeed, pollMs } from './change-feed.ts';

beforeEach(() => {
  vi.useFakeTimers();
  return () => void vi.useRealTimers();
});

const initialMarks = Object.fromEntries(
  changeTopics.map((topic) => [topic, '0']),
) as unknown as ChangeMarks;

/** A source whose marks and sessions a test sets. */
function createSource() {
  const state = { marks: initialMarks, polls: 0, ended: [] as string[], failures: 0, fails: false };
  const feed = new ChangeFeed({
    async readMarks() {
      state.polls += 1;
      if (state.fails) throw new Error('no database');
      return state.marks;
    },
    filterValidSessions: async (ids) => new Set(ids.filter((id) => !state.ended.includes(id))),
    onFailure: () => {
      state.failures += 1;
    },
  });
  return { feed, state };
}

const createSocket = () => {
  const socket = Object.assign(new EventEmitter(), {
    isDestroyed: false,
    destroy() {
      socket.isDestroyed = true;
      socket.emit('close');
    },
  });
  return socket as typeof socket & Socket;
};

const readText = (body: Readable): string => String(body.read() ?? '');
/** Waits for the end. */
async function readAll(body: Readable): Promise<string> {
  let text = '';
  for await (const chunk of body) text += chunk;
  return text;
}
const wait = (polls: number) => vi.advanceTimersByTimeAsync(polls * pollMs);

test('one poll serves all streams, starts with the first one, and ends with the last one', async () => {
  const { feed, state } = createSource();
  await wait(5);
  expect(state.polls).toBe(0);
  const sockets = [createSocket(), createSocket(), createSocket()];
  await Promise.all(sockets.map((socket) => feed.open('a', socket)));
  expect(state.polls).toBe(1);
  await wait(5);
  expect(state.polls).toBe(6);
  for (const socket of sockets) socket.destroy();
  await wait(5);
  expect(state.polls).toBe(6);
  await feed.open('a', createSocket());
  expect(state.polls).toBe(7);
});

test('a stream gets the topics that changed after its start, and a comment each 16 s', async () => {
  const { feed, state } = createSource();
  const first = await feed.open('a', createSocket());
  expect(readText(first)).toBe(': open\n\n');
  state.marks = { ...state.marks, runs: '1', audit: null };
  await wait(1);
  const event = 'event: changed\ndata: {"topics":["runs","audit"]}\n\n';
  expect(readText(first)).toBe(event);
  const second = await feed.open('b', createSocket());
  expect(readText(second)).toBe(': open\n\n');
  await wait(6);
  expect(readText(second)).toBe(': alive\n\n');
});

test('a stream ends with its session, also while it opens', async () => {
  const { feed, state } = createSource();
  const body = await feed.open('a', createSocket());
  const other = await feed.open('b', createSocket());
  state.ended = ['a'];
  await wait(1);
  expect(await readAll(body)).toBe(': open\n\n');
  expect(other.readable).toBe(true);
  feed.endSession('b');
  expect(await readAll(other)).toBe(': open\n\n');
  expect(await readAll(await feed.open('a', createSocket()))).toBe('');
});

test('a failed poll is reported and repeated, and its streams stay open', async () => {
  const { feed, state } = createSource();
  const body = await feed.open('a', createSocket());
  readText(body);
  state.fails = true;
  await wait(3);
  expect([state.failures, body.readable]).toEqual([3, true]);
  state.fails = false;
  state.marks = { ...state.marks, clock: 'ahead' };
  await wait(1);
  expect(readText(body)).toContain('"clock"');
});

test('a client that reads nothing is disconnected, and a close disconnects all others', async () => {
  const { feed, state } = createSource();
  const slow = createSocket();
  const body = await feed.open('a', slow);
  for (let n = 0; n < 3_000 && !slow.isDestroyed; n += 1) {
    state.marks = { ...state.marks, events: String(n) };
    await wait(1);
  }
  expect(slow.isDestroyed).toBe(true);
  expect(body.readableLength).toBeLessThan(100_000);
  const reading = createSocket();
  await feed.open('a', reading);
  feed.close();
  expect(reading.isDestroyed).toBe(true);
  const { polls } = state;
  await wait(3);
  expect(state.polls).toBe(polls);
});
