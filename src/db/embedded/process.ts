import { readFileSync } from 'node:fs';
import { readlink } from 'node:fs/promises';

// Identifies running processes. A pid alone is not enough: pids are reused, in a container at each
// start.

function readFileOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}

/** The start of a process on Linux: boot id and clock ticks. '' if unknown. */
export function readProcessStart(pid: number): string {
  // The second field is the name of the program in brackets. It may contain any character.
  const fields = readFileOr(`/proc/${pid}/stat`, '').split(') ').at(-1)?.split(' ');
  const ticks = fields?.[19];
  if (ticks === undefined) return '';
  return `${readFileOr('/proc/sys/kernel/random/boot_id', '').trim()}/${ticks}`;
}

function isZombie(pid: number): boolean {
  return readFileOr(`/proc/${pid}/stat`, '').split(') ').at(-1)?.startsWith('Z') ?? false;
}

/** True if the process with this pid and this start still runs. */
export function isRunning(pid: number, startedAt: string): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return !isZombie(pid) && (startedAt === '' || readProcessStart(pid) === startedAt);
}

/** True if the working folder of a process is `folder`, as for PostgreSQL; undefined: unknown. */
export async function hasWorkingFolder(pid: number, folder: string): Promise<boolean | undefined> {
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' && readFileOr('/proc/self/stat', '') !== '' ? false : undefined;
  }
}
