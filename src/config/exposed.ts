import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { fileSchema } from './schema.ts';

// Files with secrets that every user of the machine can read. A secret from a variable is not in
// the file, so it does not count.

/** Other users may read the file. */
const readableByAll = 0o004;

const isReadableByAll = (path: string): boolean => {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && (stats.mode & readableByAll) !== 0;
};

/** A password between user and host, or as a parameter. */
const hasPassword = (url: string | undefined): boolean =>
  /:\/\/[^/]*:.*@|[?&]password=/.test(url ?? '');

/** @returns one sentence for each file, with the command that helps */
export function findExposedFiles(
  path: string,
  source: string,
  file: z.output<typeof fileSchema>,
): string[] {
  const { database, telegram, email, http, nodes = [] } = file;
  const secrets: readonly (readonly [place: string, secret: string | undefined])[] = [
    ['telegram.token', telegram?.token],
    ['email.url', hasPassword(email?.url) ? email?.url : undefined],
    ['database', hasPassword(database) ? database : undefined],
  ];
  const places = secrets
    .filter(([, secret]) => secret !== undefined && secret !== '' && source.includes(secret))
    .map(([place]) => place);
  const keys: readonly (readonly [place: string, name: string | undefined])[] = [
    ['http.tls.key', http?.tls?.key],
    ...nodes.map(
      ({ id, tls }) =>
        [`nodes.${id}.tls.key`, typeof tls === 'object' ? tls.key : undefined] as const,
    ),
  ];
  const exposed = [
    ...(places.length > 0 && isReadableByAll(path) ? [{ path, what: places.join(', ') }] : []),
    ...keys
      .map(([settings, name]) => ({ what: settings, path: name && resolve(dirname(path), name) }))
      .filter((key): key is { what: string; path: string } => !!key.path)
      .filter((key) => isReadableByAll(key.path)),
  ];
  return exposed.map(
    (entry) =>
      `${entry.path}: every user of this machine can read this file with a secret (${entry.what}); run "chmod o-r ${entry.path}"`,
  );
}
