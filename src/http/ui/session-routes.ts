import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isoTime } from '../../kernel/instant.ts';
import { readInstallationFacts } from '../../operators/installation.ts';
import {
  findSession,
  type SignInRefusal,
  signIn,
  signOut,
  toSessionActor,
} from '../../operators/session.ts';
import { programVersion } from '../../version.ts';
import type { RequestHolder } from '../holder.ts';
import { toClientAddress } from '../limits.ts';
import { createInputProblem, createProblem, ProblemError } from '../problem.ts';
import { describeIssue } from '../problem-text.ts';
import { RefusalLog } from '../refusal-log.ts';
import { checkParameters } from '../request.ts';
import type { RouteContext } from '../route.ts';
import { createBrowserProblem, findBrowserRefusal } from './browser-request.ts';
import { expiredCookie, formatSessionCookie, parseSessionCookie, sessionPath } from './cookie.ts';

// Sign-in by a link, the present session, and sign-out. They are no part of the API for programs.

export interface SessionRouteOptions {
  readonly context: RouteContext;
  /** The host name of `ui.url`; undefined: names of loopback only. */
  readonly host: string | undefined;
  getHolder(request: FastifyRequest): RequestHolder | undefined;
  /** Called after each sign-out of this replica. */
  onSignOut(sessionId: string): void;
}

const signInBody = z.strictObject({ link: z.string().min(1).max(200) });

const refusals: Readonly<Record<SignInRefusal, string>> = {
  bad_link: 'the link is not valid; "perennial ui link" prints a new one',
  link_used:
    'the link was used before; if you did not use it, run "perennial ui sessions" and sign that session out',
  link_expired: 'the link has expired, or was revoked; "perennial ui link" prints a new one',
};

export function addSessionRoutes(server: FastifyInstance, options: SessionRouteOptions): void {
  const { context, getHolder } = options;
  const refusedLinks = new RefusalLog(context.log, 'link refused');
  const refusedOrigins = new RefusalLog(context.log, 'cross-site request refused');
  const preHandler = async ({ query }: FastifyRequest) => {
    const unknown = checkParameters([], query as object);
    if (unknown !== undefined) throw new ProblemError(unknown);
  };

  server.post(sessionPath, { preHandler }, async (request, reply) => {
    const refusal = findBrowserRefusal(request.headers, options.host);
    if (refusal !== undefined) {
      refusedOrigins.add(toClientAddress(request), undefined, sessionPath);
      throw createBrowserProblem(refusal);
    }
    const parsed = signInBody.safeParse(request.body ?? {}, { error: describeIssue });
    if (!parsed.success) throw new ProblemError(createInputProblem('body', parsed.error.issues));
    // A new session for each sign-in: a cookie from before never gets the rights of the link.
    const cookie = parseSessionCookie(request.headers.cookie);
    const before = cookie === undefined ? undefined : await findSession(context.db, cookie);
    const outcome = await signIn(context.db, parsed.data.link, before);
    if (outcome.is === 'refused') {
      refusedLinks.add(toClientAddress(request), outcome.linkId, sessionPath, outcome.code);
      throw new ProblemError(createProblem(outcome.code, 401, refusals[outcome.code]));
    }
    if (before !== undefined) options.onSignOut(before.id);
    const { id, name, scope, expires_at } = outcome.session;
    context.log.info({ address: toClientAddress(request), name, session: id, scope }, 'signed in');
    void reply.header('set-cookie', formatSessionCookie(outcome.cookie));
    return reply.code(201).send({ name, scope, expires_at: isoTime(expires_at) });
  });

  server.get(sessionPath, { preHandler }, async (request, reply) => {
    const { name, scopes, session } = requireSession(getHolder(request));
    const { now, isDemo } = await readInstallationFacts(context.reads);
    return reply.send({
      name,
      scope: scopes[0],
      expires_at: isoTime(session.expires_at),
      currency: context.currency,
      version: programVersion,
      now: isoTime(now),
      is_demo: isDemo,
    });
  });

  server.delete(sessionPath, { preHandler }, async (request, reply: FastifyReply) => {
    const { name, id } = requireSession(getHolder(request));
    await signOut(context.db, { id }, toSessionActor({ name, id }));
    options.onSignOut(id);
    context.log.info({ name, session: id }, 'signed out');
    return reply.code(204).header('set-cookie', expiredCookie).send();
  });
}

/** @throws ProblemError `unauthorized`, also for a token */
export function requireSession(holder: RequestHolder | undefined) {
  if (holder?.kind === 'session') return holder;
  const detail = 'needs a session of the dashboard; "perennial ui link" prints a link to it';
  throw new ProblemError(createProblem('unauthorized', 401, detail));
}
