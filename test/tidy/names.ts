import type { Source } from '../support/source-files.ts';

// Names of files and exports (docs/writing.md, "Names").

const declaration =
  /^export (?:declare |default |abstract |async )*(?:function\*?|const|let|class|interface|type|enum) (\w+)/gm;
const destructured = /^export const \{([^}]+)\} =/gm;

function listExports(code: string): string[] {
  const declared = [...code.matchAll(declaration)].map(([, name = '']) => name);
  const taken = [...code.matchAll(destructured)].flatMap(([, names = '']) =>
    names.split(',').map((name) => name.split(':').at(-1)?.trim() ?? ''),
  );
  return [...new Set([...declared, ...taken])].filter((name) => name !== '');
}

/** Exported names that more than one file declares. */
export function findSharedNames(sources: readonly Source[]): string[] {
  const files = new Map<string, string[]>();
  for (const { path, code } of sources) {
    for (const name of listExports(code)) files.set(name, [...(files.get(name) ?? []), path]);
  }
  return [...files]
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `${name}: ${paths.join(', ')}`);
}

/** Words with "ing" that are nouns of the field. */
const nouns = new Set([
  'listing',
  'framing',
  'setting',
  'settings',
  'warning',
  'warnings',
  'string',
  'encoding',
  'marking',
]);

/** Files whose name contains a gerund for an action, or a word that fits any file. */
export function findVagueFiles(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const words = (path.split('/').at(-1) ?? '').split(/[.-]/);
    return words.some(
      (word) =>
        (/.ings?$/.test(word) && !nouns.has(word)) ||
        /^(?:utils?|commons?|helpers?|managers?|services|misc)$/.test(word),
    );
  });
}
