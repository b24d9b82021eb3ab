import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Creates a folder and its missing parents. `mkdir` with `recursive` would never end if a parent
 * cannot be created, as in /proc.
 * @returns the first created folder; undefined if none was missing
 * @throws the error of the operating system, as ENOENT, EACCES or ENOTDIR
 */
export async function createFolder(path: string, mode: number): Promise<string | undefined> {
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
  const created = await createFolder(dirname(path), mode);
  await mkdir(path, { mode });
  return created ?? path;
}
