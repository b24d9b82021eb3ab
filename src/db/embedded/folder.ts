import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing. Not `mkdir` with `recursive`: where a parent
 * can never be made, as in /proc, that one tries for ever.
 * @returns the first one that was made; undefined if all were there
 * @throws what the system says, as ENOENT, EACCES or ENOTDIR
 */
export async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      if ((await stat(path)).isDirectory()) return undefined;
      throw Object.assign(new Error(`${path} is not a folder`), { code: 'ENOTDIR' });
    }
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const made = await makeFolder(dirname(path), mode);
  await mkdir(path, { mode });
  return made ?? path;
}
