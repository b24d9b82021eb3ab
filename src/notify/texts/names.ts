import type { Text } from './fluent.ts';
import type { Language } from './language.ts';

// What a text names: values, other texts, parts that several share, functions. A part ("term")
// sees no values but those that it is given where it is named, as `{ -shop(case: "of") }`; Fluent
// would show the name of any other in its place, and report nothing.

interface Names {
  readonly values: ReadonlySet<string>;
  readonly messages: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
  readonly parts: readonly { readonly name: string; readonly given: ReadonlySet<string> }[];
  /** Values that it shows, and not only chooses by: a part that isn't given one chooses its default. */
  readonly shown: ReadonlySet<string>;
}

interface Node {
  readonly type?: string;
  readonly name?: string;
  readonly selector?: Node;
  readonly args?: readonly Node[];
}

/** In every form of it, also in one that is rare. */
function namesIn(text: Text | undefined): Names {
  const values = new Set<string>();
  const shown = new Set<string>();
  const messages = new Set<string>();
  const functions = new Set<string>();
  const parts: { name: string; given: Set<string> }[] = [];
  const walk = (part: unknown, chooses = false): void => {
    if (part === null || typeof part !== 'object') return;
    const { type, name = '', selector, args = [], ...inner } = part as Node;
    if (type === 'var') {
      values.add(name);
      if (!chooses) shown.add(name);
    } else if (type === 'mesg') messages.add(name);
    else if (type === 'func') functions.add(name);
    else if (type === 'term') {
      const named = args.filter((arg) => arg.type === 'narg').map((arg) => arg.name ?? '');
      parts.push({ name: `-${name}`, given: new Set(named) });
    }
    walk(selector, true);
    for (const arg of args) walk(arg, chooses);
    for (const each of Object.values(inner)) walk(each);
  };
  walk(text);
  return { values, messages, functions, parts, shown };
}

/**
 * What it names that isn't there, also by way of the texts and parts that it names.
 * @param told the values that it is told; undefined for a part, which is asked about where it is named
 */
export function wrongNames(
  language: Language,
  id: string,
  told?: readonly string[],
): string | undefined {
  const { texts } = language;
  const seen = new Set<string>();
  const look = (name: string): string | undefined => {
    if (seen.has(name)) return undefined;
    seen.add(name);
    const { values, messages, functions, parts } = namesIn(texts.get(name));
    const isPart = name.startsWith('-');
    const unknown = isPart
      ? undefined
      : [...values].find((value) => told?.includes(value) === false);
    if (unknown !== undefined) return `names $${unknown}; ${toldWhat(id, told ?? [])}`;
    const missing = [...messages, ...parts.map((part) => part.name)].find(
      (each) => !texts.has(each),
    );
    if (missing !== undefined) return `names ${missing}, which is not there`;
    const strange = [...functions].find((each) => each !== 'NUMBER');
    if (strange !== undefined) return `names ${strange}(), which is not there; NUMBER() is`;
    for (const { name: part, given } of parts) {
      const lacks = [...namesIn(texts.get(part)).shown].find((value) => !given.has(value));
      if (lacks !== undefined) {
        return `names ${part}, which shows $${lacks}: a part is told nothing but what it is given, as { ${part}(${lacks}: "…") }`;
      }
    }
    return [...messages, ...parts.map((part) => part.name)]
      .map(look)
      .find((why) => why !== undefined);
  };
  return look(id);
}

const toldWhat = (id: string, told: readonly string[]): string =>
  id.startsWith('button_')
    ? "a button's text is told nothing"
    : `it is told ${told.map((name) => `$${name}`).join(', ')}`;
