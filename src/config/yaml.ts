import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import { UsageFault } from '../kernel/faults.ts';
import { maskSecrets } from '../kernel/secrets.ts';

// The YAML of a file, with `${ENV}` inside.

export type Environment = Readonly<Record<string, string | undefined>>;

/** Replaces a variable while the file is parsed: plain letters without a meaning in YAML. */
const toPlaceholder = (name: string): string => `\uE000${name}\uE001`;

/**
 * Replaces `${NAME}` in the parsed values, so that special characters of a variable (`#`, `: `, a
 * brace of a password) stay in its value. A value of one unset variable counts as absent. A value
 * of one number is a number.
 */
function parseWithVariables(
  text: string,
  path: string,
  env: Environment,
): { readonly document: Document; readonly lines: LineCounter } {
  const lines = new LineCounter();
  const document = parseDocument(
    text.replaceAll(/\$\{([A-Za-z_]\w*)\}/g, (_, name: string) => toPlaceholder(name)),
    { prettyErrors: true, lineCounter: lines },
  );
  const readVariable = (name: string): string | undefined => {
    const value = env[name];
    if (value === undefined || !/[\r\n]/.test(value)) return value;
    throw new UsageFault('bad_config', `${path}: the variable ${name} has a line break`);
  };
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value !== 'string') return;
      const onlyName = /^\uE000(\w+)\uE001$/.exec(node.value)?.[1];
      const value = onlyName === undefined ? undefined : readVariable(onlyName);
      const isNumber = node.type === 'PLAIN' && /^(0|[1-9]\d{0,14})(\.\d+)?$/.test(value ?? '');
      node.value =
        onlyName === undefined
          ? node.value.replaceAll(
              /\uE000(\w+)\uE001/g,
              (__, name: string) => readVariable(name) ?? '',
            )
          : isNumber
            ? Number(value)
            : (value ?? null);
    },
  });
  return { document, lines };
}

/** @throws UsageFault for an alias without its anchor, or for thousands of repeated aliases */
function toContents(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new UsageFault('bad_config', `${path}: is not YAML (an alias cannot be resolved)`, error);
  }
}

/** Drops keys without a value, so that `database: ${UNSET}` counts as not given. */
function dropEmpty(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([name, inner]) => [name, dropEmpty(inner)]),
  );
}

export interface YamlText {
  readonly document: Document;
  readonly lines: LineCounter;
  /** The values, without keys that have no value. */
  readonly contents: unknown;
}

/** @throws UsageFault for a text that is not one YAML document in UTF-8 */
export function readYaml(text: string, path: string, env: Environment): YamlText {
  // UTF-16 that was decoded as UTF-8.
  if (text.includes('\0') || text.startsWith('\ufffd')) {
    throw new UsageFault('bad_config', `${path}: is not text in UTF-8; save the file as UTF-8`);
  }
  const parsed = parseWithVariables(text, path, env);
  if (parsed.document.errors.some(({ code }) => code === 'MULTIPLE_DOCS')) {
    const sentence = 'has several YAML documents ("---"); expected one';
    throw new UsageFault('bad_config', `${path}: ${sentence}`);
  }
  const syntaxErrors = parsed.document.errors.map((error) => {
    // The parser quotes the text at the fault.
    const text = error.message.split('\n')[0]?.replace(/:$/, '') ?? '';
    const reason = maskSecrets(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '"…"'));
    return `${path}: is not YAML (${reason})`;
  });
  if (syntaxErrors.length > 0) throw new UsageFault('bad_config', syntaxErrors.join('\n'));
  return { ...parsed, contents: dropEmpty(toContents(parsed.document, path) ?? {}) };
}
