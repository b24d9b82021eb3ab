import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UsageFault } from '../../kernel/faults.ts';
import { dayMs } from '../../kernel/instant.ts';

// The files of the dashboard, with a policy that allows only scripts and styles of this origin.
//
// 1. `/ui/assets/` has the built files. Their names contain a hash, so browsers keep them.
// 2. Every other path of `/ui` is the page, which reads the path itself. Browsers ask for it again.

export const builtFolder = fileURLToPath(new URL('../../../dashboard/dist', import.meta.url));

const pageFile = 'index.html';

/** @throws UsageFault `no_dashboard` */
export function requireBuiltFolder(folder: string): string {
  if (existsSync(join(folder, pageFile))) return folder;
  throw new UsageFault(
    'no_dashboard',
    `ui: the folder ${folder} has no dashboard; in a clone "npm run build:dashboard" builds it`,
  );
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "require-trusted-types-for 'script'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const headers = {
  'content-security-policy': policy,
  'x-frame-options': 'DENY',
  'x-robots-tag': 'noindex',
};

export function addFiles(server: FastifyInstance, folder: string): void {
  void server.register(async (scope) => {
    scope.addHook('onRequest', async (_, reply) => void reply.headers(headers));
    await scope.register(fastifyStatic, {
      root: join(folder, 'assets'),
      prefix: '/ui/assets/',
      index: false,
      dotfiles: 'ignore',
      preCompressed: true,
      immutable: true,
      maxAge: 365 * dayMs,
    });
    const sendPage = (_: FastifyRequest, reply: FastifyReply) =>
      reply
        .header('cache-control', 'no-cache')
        .sendFile(pageFile, folder, { cacheControl: false, immutable: false });
    scope.get('/ui', sendPage);
    scope.get('/ui/*', sendPage);
  });
}
