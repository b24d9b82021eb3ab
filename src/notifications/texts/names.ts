import type { TextPattern } from './fluent.ts';
import type { Language } from './language.ts';

// The names in a text: values, other texts, shared parts and functions.
//
// A part ("term") has only the values that it is given, as in `{ -shop(case: "of") }`. For any
// other value Fluent displays its name and reports nothing.

interface TextNames {
  readonly values: ReadonlySet<string>;
  readonly messages: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
  readonly parts: readonly { readonly name: string; readonly given: ReadonlySet<string> }[];
  /**
   * Values that it displays, not only selects by. A part without such a value takes its default.
   */
  readonly shown: ReadonlySet<string>;
}

interface Node {
  readonly type?: string;
  readonly name?: string;
  readonly selector?: Node;
  readonly args?: readonly Node[];
}

/** In all its forms, also in rare ones. */
function parseNames(text: TextPattern | undefined): TextNames {
  const values = new Set<string>();
  const shown = new Set<string>();
  const messages = new Set<string>();
  const functions = new Set<string>();
  const parts: { name: string; given: Set<string> }[] = [];
  const visit = (part: unknown, isSelector = false): void => {
    if (part === null || typeof part !== 'object') return;
    const { type, name = '', selector, args = [], ...inner } = part as Node;
    if (type === 'var') {
      values.add(name);
      if (!isSelector) shown.add(name);
    } else if (type === 'mesg') messages.add(name);
    else if (type === 'func') functions.add(name);
    else if (type === 'term') {
      const named = args.filter((arg) => arg.type === 'narg').map((arg) => arg.name ?? '');
      parts.push({ name: `-${name}`, given: new Set(named) });
    }
    visit(selector, true);
    for (const arg of args) visit(arg, isSelector);
    for (const each of Object.values(inner)) visit(each);
  };
  visit(text);
  return { values, messages, functions, parts, shown };
}

/**
 * The first name in a text, or in the texts and parts that it names, that does not exist.
 * @param available the values of the text; undefined for a part, which is checked with its callers
 */
export function checkNames(
  language: Language,
  id: string,
  available?: readonly string[],
): string | undefined {
  const { texts } = language;
  const seen = new Set<string>();
  const checkText = (name: string): string | undefined => {
    if (seen.has(name)) return undefined;
    seen.add(name);
    const { values, messages, functions, parts } = parseNames(texts.get(name));
    const isPart = name.startsWith('-');
    const unknown = isPart
      ? undefined
      : [...values].find((value) => available?.includes(value) === false);
    if (unknown !== undefined)
      return `names $${unknown}; ${describeAvailable(id, available ?? [])}`;
    const missing = [...messages, ...parts.map((part) => part.name)].find(
      (each) => !texts.has(each),
    );
    if (missing !== undefined) return `names ${missing}, which does not exist`;
    const unknownFunction = [...functions].find((each) => each !== 'NUMBER');
    if (unknownFunction !== undefined)
      return `names ${unknownFunction}(), which does not exist; expected NUMBER()`;
    for (const { name: part, given } of parts) {
      const lacking = [...parseNames(texts.get(part)).shown].find((value) => !given.has(value));
      if (lacking !== undefined) {
        return `names ${part}, which shows $${lacking}: a part has only the values that it is given, as { ${part}(${lacking}: "…") }`;
      }
    }
    return [...messages, ...parts.map((part) => part.name)]
      .map(checkText)
      .find((problem) => problem !== undefined);
  };
  return checkText(id);
}

const describeAvailable = (id: string, available: readonly string[]): string =>
  id.startsWith('button_')
    ? "a button's text has no values"
    : `available: ${available.map((name) => `$${name}`).join(', ')}`;
