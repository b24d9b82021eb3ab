import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, startOf } from './process.ts';

// One process owns a data folder at a time: it alone starts and stops the server in it.
//
// `owner.json` names it, made by link(2), which is atomic, brings the whole content, and fails if
// the name is taken. A dead owner can't tidy up, so its successor makes `owner-<nonce of the
// dead>.json` the same way: of several that find it dead only one can. The owner is the end of
// that chain. The successor then moves its own file to the head and drops the links between;
// whoever claimed by a link that was dropped meanwhile sees that it isn't in the chain.

export type Role = 'service' | 'command';

export interface Owner {
  readonly pid: number;
  readonly startedAt: string;
  readonly nonce: string;
  readonly role: Role;
  /** Where its server listens; null until it does. */
  readonly port: number | null;
}

const headOf = (folder: string) => join(folder, 'owner.json');
const heirOf = (folder: string, nonce: string) => join(folder, `owner-${nonce}.json`);

/** Stands for an owner whose file can't be read: nobody who lives. */
const unreadable: Owner = { pid: 0, startedAt: '', nonce: 'x', role: 'command', port: null };

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return unreadable; // a disk that was full, a torn write
    throw error;
  }
}

/** The last of the chain: who owns the folder, alive or not; undefined: nobody. */
export async function currentOwner(folder: string): Promise<Owner | undefined> {
  let owner = await readOwner(headOf(folder));
  for (;;) {
    const heir = owner && (await readOwner(heirOf(folder, owner.nonce)));
    if (heir === undefined) return owner;
    owner = heir;
  }
}

async function place(path: string, owner: Owner): Promise<boolean> {
  const draft = `${path}.${owner.nonce}.new`;
  await writeFile(draft, JSON.stringify(owner), { mode: 0o600, flush: true });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft);
  }
}

async function replaceHead(folder: string, owner: Owner): Promise<void> {
  const draft = `${headOf(folder)}.${owner.nonce}.new`;
  await writeFile(draft, JSON.stringify(owner), { mode: 0o600, flush: true });
  await rename(draft, headOf(folder));
}

async function dropLinks(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    if (/^owner-.*\.json$/.test(file)) await rm(join(folder, file), { force: true });
  }
}

/** Our own hold on a folder. */
export interface Ownership {
  /** Tells joiners where the server listens. */
  announce(port: number): Promise<void>;
  release(): Promise<void>;
}

function ownership(folder: string, owner: Owner): Ownership {
  return {
    announce: (port) => replaceHead(folder, { ...owner, port }),
    release: () => rm(headOf(folder), { force: true }),
  };
}

/** Takes the folder if nobody alive owns it; else says who does. Never waits. */
export async function claim(folder: string, role: Role): Promise<Ownership | Owner> {
  const { pid } = process;
  const nonce = randomUUID();
  const owner: Owner = { pid, startedAt: startOf(pid), nonce, role, port: null };
  for (;;) {
    const before = await currentOwner(folder);
    if (before !== undefined && isAlive(before.pid, before.startedAt)) return before;
    const path = before === undefined ? headOf(folder) : heirOf(folder, before.nonce);
    if (!(await place(path, owner))) continue;
    if ((await currentOwner(folder))?.nonce !== nonce) {
      await rm(path, { force: true });
      continue;
    }
    await replaceHead(folder, owner);
    await dropLinks(folder);
    return ownership(folder, owner);
  }
}
