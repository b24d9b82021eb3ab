import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, readProcessStart } from './process.ts';

// One process owns a data folder at a time. Only the owner starts and stops the server in it.
//
// 1. `owner.json` names the owner. link(2) creates it: the call is atomic, the file is complete,
//    and it fails if the name exists.
// 2. A crashed owner leaves its file. Its successor creates `owner-<nonce of the owner>.json` in
//    the same way, so only one of several successors succeeds.
// 3. The owner is the end of this chain of files.
// 4. The successor moves its own file to the head, and removes the files between. A process whose
//    file was removed meanwhile is not in the chain, so it is not the owner.

export type OwnerRole = 'service' | 'command';

export interface FolderOwner {
  readonly pid: number;
  readonly startedAt: string;
  readonly nonce: string;
  readonly role: OwnerRole;
  /** The port of its server; null until the server listens. */
  readonly port: number | null;
}

const toHeadPath = (folder: string) => join(folder, 'owner.json');
const toSuccessorPath = (folder: string, nonce: string) => join(folder, `owner-${nonce}.json`);

/** Represents an owner whose file is unreadable. No process has it. */
const unreadableOwner: FolderOwner = {
  pid: 0,
  startedAt: '',
  nonce: 'x',
  role: 'command',
  port: null,
};

async function readOwner(path: string): Promise<FolderOwner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return unreadableOwner; // a disk that was full, a torn write
    throw error;
  }
}

/** The end of the chain: the owner, running or not; undefined: no owner. */
export async function readCurrentOwner(folder: string): Promise<FolderOwner | undefined> {
  let owner = await readOwner(toHeadPath(folder));
  for (;;) {
    const successor = owner && (await readOwner(toSuccessorPath(folder, owner.nonce)));
    if (successor === undefined) return owner;
    owner = successor;
  }
}

async function createOwnerFile(path: string, owner: FolderOwner): Promise<boolean> {
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

async function replaceHead(folder: string, owner: FolderOwner): Promise<void> {
  const draft = `${toHeadPath(folder)}.${owner.nonce}.new`;
  await writeFile(draft, JSON.stringify(owner), { mode: 0o600, flush: true });
  await rename(draft, toHeadPath(folder));
}

async function removeSuccessorFiles(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    if (/^owner-.*\.json$/.test(file)) await rm(join(folder, file), { force: true });
  }
}

/** The ownership of a folder by this process. */
export interface FolderOwnership {
  /** Publishes the port of the server for other commands. */
  announce(port: number): Promise<void>;
  release(): Promise<void>;
}

function createOwnership(folder: string, owner: FolderOwner): FolderOwnership {
  return {
    announce: (port) => replaceHead(folder, { ...owner, port }),
    release: () => rm(toHeadPath(folder), { force: true }),
  };
}

/** Takes the folder if no running process owns it; else returns the owner. Never waits. */
export async function claimFolder(
  folder: string,
  role: OwnerRole,
): Promise<FolderOwnership | FolderOwner> {
  const { pid } = process;
  const nonce = randomUUID();
  const owner: FolderOwner = { pid, startedAt: readProcessStart(pid), nonce, role, port: null };
  for (;;) {
    const before = await readCurrentOwner(folder);
    if (before !== undefined && isRunning(before.pid, before.startedAt)) return before;
    const path = before === undefined ? toHeadPath(folder) : toSuccessorPath(folder, before.nonce);
    if (!(await createOwnerFile(path, owner))) continue;
    if ((await readCurrentOwner(folder))?.nonce !== nonce) {
      await rm(path, { force: true });
      continue;
    }
    await replaceHead(folder, owner);
    await removeSuccessorFiles(folder);
    return createOwnership(folder, owner);
  }
}
