import { FluentBundle, FluentResource } from '@fluent/bundle';
import { UsageFault } from '../../kernel/faults.ts';
import { toFormatLocale } from './values.ts';

// Files in the format of Project Fluent.
//
// Its parser skips lines that it cannot read, so that a web page shows the rest. Here such a line
// is an error, because a skipped text is a message that never arrives.

type Entry = FluentResource['body'][number];
type Pattern = Entry['value'];
export type TextPattern = NonNullable<Pattern>;

/** A file of texts as written. */
export interface TextFile {
  readonly path: string;
  readonly locale: string;
  readonly source: string;
}

export const createTextFault = (place: string, problem: string): UsageFault =>
  new UsageFault('bad_text', `${place}: ${problem}`);

const entryStart = /^(-?[A-Za-z][\w-]*)[ \t]*=/;
/** A comment, an empty line, a continuation, or the start of a line inside a placeable. */
const otherLine = /^(#|\s|$|[}[*.])/;

/** The entries of a file. @throws UsageFault for a line or a text that is not Fluent */
export function parseTexts({ path, locale, source }: TextFile): FluentResource {
  const resource = new FluentResource(source);
  const read = new Set(resource.body.map(({ id }) => id));
  const seen = new Set<string>();
  source.split(/\r?\n/).forEach((line, at) => {
    const place = `${path}: line ${at + 1}`;
    const id = entryStart.exec(line)?.[1];
    if (id === undefined) {
      if (otherLine.test(line)) return;
      throw createTextFault(
        place,
        `"${line.slice(0, 40)}" does not begin a text; expected NAME = …`,
      );
    }
    if (seen.has(id)) throw createTextFault(place, `${id} (${locale}) is given twice`);
    seen.add(id);
    if (read.has(id)) return;
    throw createTextFault(place, `${id} (${locale}) is broken: it is not a message of Fluent`);
  });
  return resource;
}

/** The texts of a language. A text of a later file replaces an earlier one. */
export function createBundle(locale: string, resources: readonly FluentResource[]): FluentBundle {
  // No isolation marks. They are for pages with mixed directions, and a chat displays them.
  const bundle = new FluentBundle([toFormatLocale(locale), 'en'], { useIsolating: false });
  for (const resource of resources) bundle.addResource(resource, { allowOverrides: true });
  return bundle;
}
