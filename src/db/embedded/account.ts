import { execFile } from 'node:child_process';
import { chown } from 'node:fs/promises';
import { promisify } from 'node:util';
import { UsageFault } from '../../kernel/faults.ts';

const run = promisify(execFile);

/** The system user of PostgreSQL, which refuses root. Undefined: the user of this process. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/** The environment of PostgreSQL's programs, without PGDATA and locale of this process. */
const environment = { PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

export interface ProgramResult {
  readonly code: number | string;
  /** The text on both outputs. */
  readonly output: string;
}

/** Runs a program to its end as an account. Never throws for its failure. */
export async function runAs(
  account: ServerAccount | undefined,
  file: string,
  args: readonly string[],
): Promise<ProgramResult> {
  try {
    const { stdout, stderr } = await run(file, args, { env: environment, cwd: '/', ...account });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr, message } = error as Error & Partial<Record<string, string>>;
    return { code: code ?? 'killed', output: `${stdout ?? ''}${stderr ?? ''}` || message };
  }
}

async function readServerAccount(): Promise<ServerAccount | undefined> {
  const [user, group] = await Promise.all([
    runAs(undefined, 'id', ['-u', 'postgres']),
    runAs(undefined, 'id', ['-g', 'postgres']),
  ]);
  if (user.code !== 0 || group.code !== 0) return undefined;
  return { uid: Number(user.output), gid: Number(group.output) };
}

/** The system user `postgres` if this process is root. Creates it if missing. @throws UsageFault */
export async function ensureServerAccount(): Promise<ServerAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await readServerAccount();
  if (existing !== undefined) return existing;
  await runAs(undefined, 'groupadd', ['--system', 'postgres']);
  const creation = await runAs(undefined, 'useradd', [
    ...['--system', '--gid', 'postgres', '--no-create-home', '--shell', '/bin/sh', 'postgres'],
  ]);
  const account = await readServerAccount();
  if (account !== undefined) return account;
  throw new UsageFault(
    'no_server_user',
    `database: embedded: PostgreSQL can't run as root and the user "postgres" could not be made (${creation.output.trim()}); make it (useradd postgres) or start perennial as a plain user`,
  );
}

/** Gives a file or folder to the account. */
export async function changeOwner(account: ServerAccount | undefined, path: string): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}
