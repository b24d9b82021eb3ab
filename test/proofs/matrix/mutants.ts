import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../support/repository.ts';
import { toTitlePattern } from './rows.ts';
import { failsAnyTest } from './test-run.ts';

// A mutant is a small patch that restores an audited bug, so that a run shows that the tests of its
// row fail. The patch is applied to a copy of the checkout. The program has no switch for it.

const folder = join(root, 'test', 'proofs', 'mutants');

/** Patches by name: the id of the row, and if a row has several (`X3-strays`), the effect. */
export function listMutants(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.patch'))
    .map((name) => name.slice(0, -'.patch'.length));
}

export const toRowId = (mutant: string): string => mutant.split('-')[0] as string;

/** Ids of the rows with a mutant. */
export function listMutantRows(): string[] {
  return [...new Set(listMutants().map(toRowId))];
}

const skippedNames = new Set(['node_modules', '.git', 'dist', 'coverage']);

/** A copy of the working tree, with uncommitted changes. `node_modules` is shared. */
function copyCheckout(): string {
  const copy = mkdtempSync(join(tmpdir(), 'perennial-mutant-'));
  for (const name of readdirSync(root).filter((each) => !skippedNames.has(each))) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
  return copy;
}

async function withCopy<T>(work: (copy: string) => Promise<T>): Promise<T> {
  const copy = copyCheckout();
  try {
    return await work(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** @throws Error with the name of the patch, if it does not apply to the current program */
function applyPatch(copy: string, mutant: string, options: readonly string[] = []): void {
  const patch = join(folder, `${mutant}.patch`);
  try {
    execFileSync('git', ['apply', ...options, patch], {
      cwd: copy,
      stdio: 'pipe',
      env: excludeRepository(),
    });
  } catch (error) {
    const message = String((error as { stderr?: Buffer }).stderr ?? error);
    throw new Error(`test/proofs/mutants/${mutant}.patch no longer applies: ${message}`);
  }
}

/** Git must not find a repository above the copy. */
const excludeRepository = (): NodeJS.ProcessEnv => ({
  ...process.env,
  GIT_CEILING_DIRECTORIES: tmpdir(),
});

/** The reasons why patches do not apply to the current program. */
export function checkPatches(): Promise<string[]> {
  return withCopy(async (copy) =>
    listMutants().flatMap((mutant) => {
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

/**
 * Checks that the tests of a row fail on each of its mutants among these.
 * @throws Error if they cannot run
 */
export async function testMutants(id: string, mutants: readonly string[]): Promise<MutantState> {
  const rowMutants = mutants.filter((mutant) => toRowId(mutant) === id);
  for (const mutant of rowMutants) if (!(await isKilled(mutant))) return 'alive';
  return rowMutants.length === 0 ? 'none' : 'killed';
}

function isKilled(mutant: string): Promise<boolean> {
  return withCopy((copy) => {
    applyPatch(copy, mutant);
    // A few sequences of the model suffice, because the row has further tests.
    const env = { MODEL_SEQUENCES: '40', MODEL_MINUTES: '1' };
    return failsAnyTest(copy, toTitlePattern(toRowId(mutant)), env);
  });
}
