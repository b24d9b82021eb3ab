import type { FastifyInstance } from 'fastify';
import type { RoutePath } from '../allowed-methods.ts';
import { addSessionRoutes, type SessionRouteOptions } from './session-routes.ts';

// The routes of the dashboard: its session and its files.

export type UiOptions = Pick<SessionRouteOptions, 'host'>;

/** For the header `Allow`. */
export const uiPaths: readonly RoutePath[] = [
  { method: 'GET', path: '/ui/session' },
  { method: 'POST', path: '/ui/session' },
  { method: 'DELETE', path: '/ui/session' },
];

export function addUiRoutes(
  server: FastifyInstance,
  options: UiOptions & Pick<SessionRouteOptions, 'context' | 'getHolder'>,
): void {
  addSessionRoutes(server, { ...options, onSignOut: () => undefined });
}
