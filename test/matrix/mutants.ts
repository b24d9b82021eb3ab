import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { patternOf } from './rows.ts';
import { anyFails } from './vitest.ts';

// A mutant is a small patch that brings an audited bug back, to see that the row's tests notice.
// It is applied to a copy of the checkout: the program itself has no switch for it.

export const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'test', 'mutants');

/** Ids of the rows that have one. */
export function mutantIds(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.patch'))
    .map((name) => name.slice(0, -'.patch'.length));
}

const left = new Set(['node_modules', '.git', 'dist', 'coverage']);

/** A copy of the checkout as it stands, with what isn't committed; `node_modules` is shared. */
function copyOfCheckout(): string {
  const copy = mkdtempSync(join(tmpdir(), 'perennial-mutant-'));
  for (const name of readdirSync(root).filter((each) => !left.has(each))) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
  return copy;
}

async function inCopy<T>(work: (copy: string) => Promise<T>): Promise<T> {
  const copy = copyOfCheckout();
  try {
    return await work(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** @throws Error that names the patch, if the program has moved on and it no longer applies */
function applyPatch(copy: string, id: string, options: readonly string[] = []): void {
  const patch = join(folder, `${id}.patch`);
  try {
    execFileSync('git', ['apply', ...options, patch], { cwd: copy, stdio: 'pipe', env: alone() });
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error);
    throw new Error(`test/mutants/${id}.patch no longer applies: ${said}`);
  }
}

/** The copy is no part of a repository, wherever the folder for temporary files is. */
const alone = (): NodeJS.ProcessEnv => ({ ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() });

/** Why a patch can't be applied to the checkout as it stands; undefined if it can. */
export function checkPatches(): Promise<string[]> {
  return inCopy(async (copy) =>
    mutantIds().flatMap((id) => {
      try {
        applyPatch(copy, id, ['--check']);
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    }),
  );
}

export type MutantState = 'killed' | 'alive' | 'none';

/** Whether the tests of a row turn red on its mutant. @throws Error for one that can't even run */
export async function tryMutant(id: string): Promise<MutantState> {
  if (!existsSync(join(folder, `${id}.patch`))) return 'none';
  return inCopy(async (copy) => {
    applyPatch(copy, id);
    // A few sequences of the model suffice: the row has tests of its own.
    const env = { MODEL_SEQUENCES: '40', MODEL_MINUTES: '1' };
    return (await anyFails(copy, patternOf(id), env)) ? 'killed' : 'alive';
  });
}
