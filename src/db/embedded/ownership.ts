import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, startOf } from './process.ts';

// One process owns a data folder at a time. Only the owner starts and stops the server in it.
//
// 1. `owner.json` names the owner. link(2) creates it: the call is atomic, the file is complete, and
//    it fails if the name exists.
// 2. A crashed owner leaves its file. Its successor creates `owner-<nonce of the owner>.json` in the
//    same way, so only one of several successors succeeds.
// 3. The owner is the end of this chain of files.
// 4. The successor moves its own file to the head, and removes the files between. A process whose
//    file was removed meanwhile is not in the chain, so it is not the owner.

export type Role = 'service' | 'command';

export interface Owner {
  readonly pid: number;
  readonly startedAt: string;
  readonly nonce: string;
  readonly role: Role;
  /** The port of its server; null until the server listens. */
  readonly port: number | null;
}

const headOf = (folder: string) => join(folder, 'owner.json');
const heirOf = (folder: string, nonce: string) => join(folder, `owner-${nonce}.json`);

/** Represents an owner whose file is unreadable. No process has it. */
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

/** The end of the chain: the owner, running or not; undefined: no owner. */
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

/** The ownership of a folder by this process. */
export interface Ownership {
  /** Publishes the port of the server for other commands. */
  announce(port: number): Promise<void>;
  release(): Promise<void>;
}

function ownership(folder: string, owner: Owner): Ownership {
  return {
    announce: (port) => replaceHead(folder, { ...owner, port }),
    release: () => rm(headOf(folder), { force: true }),
  };
}

/** Takes the folder if no running process owns it; else returns the owner. Never waits. */
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
