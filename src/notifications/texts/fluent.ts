import { FluentBundle, FluentResource } from '@fluent/bundle';
import { UsageFault } from '../../kernel/faults.ts';
import { toFormatLocale } from './values.ts';

// Project Fluent's files. Its parser passes over what it can't read, so that a page on the web shows
// the rest; here it is an error, since what it passes over is a message that nobody gets.

type Entry = FluentResource['body'][number];
type Pattern = Entry['value'];
export type TextPattern = NonNullable<Pattern>;

/** A file of texts, as its author wrote it. */
export interface TextFile {
  readonly path: string;
  readonly locale: string;
  readonly source: string;
}

export const createTextFault = (place: string, problem: string): UsageFault =>
  new UsageFault('bad_text', `${place}: ${problem}`);

const entryStart = /^(-?[A-Za-z][\w-]*)[ \t]*=/;
/** A comment, nothing, a continuation, or what may stand at a line's start inside a placeable. */
const otherLine = /^(#|\s|$|[}[*.])/;

/** The entries of a file. @throws UsageFault for a line or a text that isn't Fluent */
export function parseTexts({ path, locale, source }: TextFile): FluentResource {
  const resource = new FluentResource(source);
  const read = new Set(resource.body.map(({ id }) => id));
  const seen = new Set<string>();
  source.split(/\r?\n/).forEach((line, at) => {
    const place = `${path}: line ${at + 1}`;
    const id = entryStart.exec(line)?.[1];
    if (id === undefined) {
      if (otherLine.test(line)) return;
      throw createTextFault(place, `"${line.slice(0, 40)}" begins no text; one is NAME = …`);
    }
    if (seen.has(id)) throw createTextFault(place, `${id} (${locale}) is there twice`);
    seen.add(id);
    if (read.has(id)) return;
    throw createTextFault(
      place,
      `${id} (${locale}) is broken: it is not what Fluent calls a message`,
    );
  });
  return resource;
}

/** The texts of a language; the later files' win over the earlier ones'. */
export function createBundle(locale: string, resources: readonly FluentResource[]): FluentBundle {
  // No isolation marks: they are for a page that mixes directions, and show up in a chat.
  const bundle = new FluentBundle([toFormatLocale(locale), 'en'], { useIsolating: false });
  for (const resource of resources) bundle.addResource(resource, { allowOverrides: true });
  return bundle;
}
