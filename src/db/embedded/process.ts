import { readFileSync } from 'node:fs';
import { readlink } from 'node:fs/promises';

// Who is alive. A process number alone is not enough: numbers are used again, in a container at
// each start.

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}

/** When a process began, as far as the system tells (Linux): boot and clock ticks. '' if unknown. */
export function startOf(pid: number): string {
  // The second field is the program's name in brackets, and may hold anything.
  const fields = readOr(`/proc/${pid}/stat`, '').split(') ').at(-1)?.split(' ');
  const ticks = fields?.[19];
  if (ticks === undefined) return '';
  return `${readOr('/proc/sys/kernel/random/boot_id', '').trim()}/${ticks}`;
}

function isZombie(pid: number): boolean {
  return readOr(`/proc/${pid}/stat`, '').split(') ').at(-1)?.startsWith('Z') ?? false;
}

/** Whether the process that had this number and this start still lives. */
export function isAlive(pid: number, startedAt: string): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return !isZombie(pid) && (startedAt === '' || startOf(pid) === startedAt);
}

/** Whether a process works in a folder, as PostgreSQL does in its own; undefined: can't be told. */
export async function worksIn(pid: number, folder: string): Promise<boolean | undefined> {
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' && readOr('/proc/self/stat', '') !== '' ? false : undefined;
  }
}
