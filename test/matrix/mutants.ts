import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { patternOf } from './rows.ts';
import { anyFails } from './vitest.ts';

// A mutant is a small patch that brings an audited bug back, to see that the row's tests notice.
// It is applied to a copy of the checkout: the program itself has no switch for it.

export const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'test', 'mutants');

/** Each patch by its name: the row's id, and where a row has several (`X3-strays`), what it does. */
function mutants(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.patch'))
    .map((name) => name.slice(0, -'.patch'.length));
}

const rowOf = (mutant: string): string => mutant.split('-')[0] as string;

/** Ids of the rows that have one. */
export function mutantIds(): string[] {
  return [...new Set(mutants().map(rowOf))];
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
function applyPatch(copy: string, mutant: string, options: readonly string[] = []): void {
  const patch = join(folder, `${mutant}.patch`);
  try {
    execFileSync('git', ['apply', ...options, patch], { cwd: copy, stdio: 'pipe', env: alone() });
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error);
    throw new Error(`test/mutants/${mutant}.patch no longer applies: ${said}`);
  }
}

/** The copy is no part of a repository, wherever the folder for temporary files is. */
const alone = (): NodeJS.ProcessEnv => ({ ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() });

/** Why a patch can't be applied to the checkout as it stands; undefined if it can. */
export function checkPatches(): Promise<string[]> {
  return inCopy(async (copy) =>
    mutants().flatMap((mutant) => {
      try {
        applyPatch(copy, mutant, ['--check']);
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    }),
  );
}

export type MutantState = 'killed' | 'alive' | 'none';

/** Whether the tests of a row turn red on each of its mutants. @throws Error where they can't even run */
export async function tryMutant(id: string): Promise<MutantState> {
  const its = mutants().filter((mutant) => rowOf(mutant) === id);
  for (const mutant of its) if (!(await isKilled(mutant))) return 'alive';
  return its.length === 0 ? 'none' : 'killed';
}

function isKilled(mutant: string): Promise<boolean> {
  return inCopy((copy) => {
    applyPatch(copy, mutant);
    // A few sequences of the model suffice: the row has tests of its own.
    const env = { MODEL_SEQUENCES: '40', MODEL_MINUTES: '1' };
    return anyFails(copy, patternOf(rowOf(mutant)), env);
  });
}
