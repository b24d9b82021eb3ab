import type { FastifyInstance } from 'fastify';
import { throttledLogger } from '../../logging/throttled-log.ts';
import { readChangeMarks } from '../../operators/changes.ts';
import { filterValidSessions } from '../../operators/session.ts';
import type { RoutePath } from '../allowed-methods.ts';
import { ChangeFeed } from './change-feed.ts';
import { eventsPath, sessionPath } from './cookie.ts';
import { addFiles } from './files.ts';
import { addSessionRoutes, requireSession, type SessionRouteOptions } from './session-routes.ts';

// The routes of the dashboard: its session, its stream of changes and its files.

export interface UiOptions extends Pick<SessionRouteOptions, 'host'> {
  /** The built dashboard: the page and its assets. */
  readonly folder: string;
}

/** For the header `Allow`. */
export const uiPaths: readonly RoutePath[] = [
  { method: 'GET', path: '/ui' },
  { method: 'GET', path: sessionPath },
  { method: 'POST', path: sessionPath },
  { method: 'DELETE', path: sessionPath },
  { method: 'GET', path: eventsPath },
];

export function addUiRoutes(
  server: FastifyInstance,
  options: UiOptions & Pick<SessionRouteOptions, 'context' | 'getHolder'>,
): void {
  const { context, getHolder } = options;
  const logThrottled = throttledLogger(context.log);
  const feed = new ChangeFeed({
    readMarks: () => readChangeMarks(context.reads),
    filterValidSessions: (ids) => filterValidSessions(context.reads, ids),
    onFailure: (error) => logThrottled(error, 'changes for the dashboard'),
  });
  server.addHook('preClose', async () => feed.close());
  addSessionRoutes(server, { ...options, onSignOut: (id) => feed.endSession(id) });
  // A HEAD would be a stream without an end.
  server.get(eventsPath, { exposeHeadRoute: false }, async (request, reply) => {
    const { id } = requireSession(getHolder(request));
    const body = await feed.open(id, request.raw.socket);
    // The end of the stream ends the connection, so that a close of the server does not wait.
    return reply
      .headers({ connection: 'close', 'x-accel-buffering': 'no' })
      .type('text/event-stream; charset=utf-8')
      .send(body);
  });
  addFiles(server, options.folder);
}
