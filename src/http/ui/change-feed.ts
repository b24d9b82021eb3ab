import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { secondMs } from '../../kernel/instant.ts';
import { startTimer } from '../../kernel/timer.ts';
import { type ChangeMarks, compareMarks } from '../../operators/changes.ts';
import { createProblem, ProblemError } from '../problem.ts';

// The streams of server-sent events of this replica, and the one poll behind them.
//
// 1. The poll starts with the first stream, and ends with the last one. The next poll starts 2 s
//    after the end of the last one, so a slow database is not asked more often.
// 2. A stream ends with its session: at once on this replica, and within a poll on the others.
// 3. A failed poll is repeated. The streams stay open.
// 4. The close of the server destroys the connections, because a stream has no last answer.

export const pollMs = 2 * secondMs;
/** A proxy ends a connection that is silent, often after 60 s. */
const commentMs = 15 * secondMs;
/** Open pages of one session. Browsers open 6 connections to a host. */
const streamsMax = 10;
/** A client that reads nothing gets no more. An event has about 100 bytes. */
const pendingMaxBytes = 64 * 1024;

export interface ChangeSource {
  readMarks(): Promise<ChangeMarks>;
  filterValidSessions(ids: readonly string[]): Promise<ReadonlySet<string>>;
  onFailure(error: unknown): void;
}

interface OpenStream {
  readonly sessionId: string;
  readonly socket: Socket;
  readonly body: Readable;
}

export class ChangeFeed {
  readonly #source: ChangeSource;
  readonly #streams = new Set<OpenStream>();
  #marks: ChangeMarks | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pending: Promise<void> | undefined;
  #polls = 0;

  constructor(source: ChangeSource) {
    this.#source = source;
  }

  /**
   * The body of a stream. Changes after its first bytes are in it.
   * @throws ProblemError `too_many_streams`
   */
  async open(sessionId: string, socket: Socket): Promise<Readable> {
    const open = [...this.#streams].filter((one) => one.sessionId === sessionId);
    if (open.length >= streamsMax) {
      const detail = `more than ${streamsMax} pages of this session are open; close one`;
      throw new ProblemError(createProblem('too_many_streams', 429, detail));
    }
    const body = new Readable({ read: () => undefined });
    const stream = { sessionId, socket, body };
    this.#streams.add(stream);
    socket.once('close', () => this.#remove(stream));
    if (this.#timer === undefined) {
      this.#pending ??= this.#poll();
      await this.#pending;
    }
    // The session may have ended meanwhile.
    if (this.#streams.has(stream)) body.push(': open\n\n');
    return body;
  }

  endSession(sessionId: string): void {
    for (const stream of this.#streams) if (stream.sessionId === sessionId) this.#end(stream);
  }

  close(): void {
    for (const { socket } of this.#streams) socket.destroy();
    this.#streams.clear();
    this.#stop();
  }

  #end(stream: OpenStream): void {
    stream.body.push(null);
    this.#remove(stream);
  }

  #remove(stream: OpenStream): void {
    if (this.#streams.delete(stream) && this.#streams.size === 0) this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#marks = undefined;
  }

  async #poll(): Promise<void> {
    try {
      const ids = [...new Set([...this.#streams].map(({ sessionId }) => sessionId))];
      const valid = await this.#source.filterValidSessions(ids);
      for (const id of ids) if (!valid.has(id)) this.endSession(id);
      const marks = await this.#source.readMarks();
      const topics = this.#marks === undefined ? [] : compareMarks(this.#marks, marks);
      this.#marks = marks;
      if (topics.length > 0) this.#send(`event: changed\ndata: ${JSON.stringify({ topics })}\n\n`);
    } catch (error) {
      this.#source.onFailure(error);
    } finally {
      this.#pending = undefined;
      this.#polls += 1;
      if (this.#polls % Math.round(commentMs / pollMs) === 0) this.#send(': alive\n\n');
      if (this.#streams.size === 0) this.#stop();
      else
        this.#timer = startTimer(() => {
          this.#pending = this.#poll();
        }, pollMs);
    }
  }

  #send(text: string): void {
    for (const { socket, body } of this.#streams) {
      if (body.readableLength > pendingMaxBytes) socket.destroy();
      else body.push(text);
    }
  }
}
