import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { UsageFault } from '../kernel/faults.ts';
import { maskSecrets } from '../kernel/secrets.ts';
import { findExposedFiles } from './exposed.ts';
import {
  type ConfigFault,
  type ConfigPath,
  checkNodes,
  checkPrices,
  checkTrial,
  findLine,
  formatPath,
  isSecretLike,
  refuseFaults,
  toConfigFaults,
} from './faults.ts';
import { describeConfigIssue, fileSchema, type nodeSchema, type planSchema } from './schema.ts';

// The configuration: one YAML file, `${ENV}` inside, three variables that win over it. The only
// file that reads the environment. What must not differ between replicas (plans, prices, nodes,
// discounts, renewal, trial) is written to the database by `perennial apply` and read from there.

export type ConfigFile = z.output<typeof fileSchema>;

export type PlanConfig = z.output<typeof planSchema>;

export type NodeConfig = z.output<typeof nodeSchema>;

export interface Config {
  /** Where it was read from; undefined where there is no file. */
  readonly path: string | undefined;
  readonly file: ConfigFile;
  /** `embedded`, a URL, or undefined: then a command that needs one says so. */
  readonly database: string | undefined;
  /** Where `embedded` keeps its folder. */
  readonly dataDir: string;
  /** Whether a variable or the file named `dataDir`, or it is the default. */
  readonly dataDirNamed: boolean;
  readonly logLevel: string;
  /** Sentences about files with secrets that every user of the machine can read. */
  readonly exposed?: readonly string[];
  /** The line of a place in the file, for faults that are found later. */
  readonly findLine?: (path: ConfigPath) => number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Stands for a variable while the file is parsed: letters to YAML, and to nobody else. */
const toPlaceholder = (name: string): string => `\uE000${name}\uE001`;

/**
 * Puts variables in place of `${NAME}`, in the texts of the parsed file: whatever a variable holds
 * (`#`, `: `, a brace of a password) stays in its value. One that stands alone in its place and is
 * not set counts as not given, and a number that stands alone is a number.
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

/** Values that are not printed: they hold passwords. */
const secretKeys = new Set(['database', 'token', 'url']);

/** Sections with a secret in them: a text in place of the section may be that secret. */
const secretSections = new Set(['telegram', 'email', 'database', 'http']);

/** A longer value is no typing error in a setting. It can be a key. */
const shownMax = 64;

/** The wrong value before what is wrong with it; nothing for a missing one or a whole mapping. */
function formatValue(contents: unknown, path: ConfigPath): string {
  const [section, ...rest] = path.map(String);
  if (secretKeys.has(String(path.at(-1)))) return '';
  if (rest.length === 0 && secretSections.has(section ?? '')) return '';
  const value = path.reduce<unknown>((inner, name) => (inner as never)?.[name], contents);
  if (value === undefined || typeof value === 'object') return '';
  const text = JSON.stringify(value);
  const isHidden = text.length > shownMax || isSecretLike(text) || maskSecrets(text) !== text;
  return isHidden ? '' : `${text} `;
}

/** @throws UsageFault for an alias without its anchor, or one that repeats another thousands of times */
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

/** The bot's token of the environment wins over the file's, where the file has Telegram at all. */
function applyToken(value: unknown, env: Environment): unknown {
  const contents = value as { telegram?: object } | undefined;
  if (!env.TELEGRAM_BOT_TOKEN || typeof contents?.telegram !== 'object') return value;
  return { ...contents, telegram: { ...contents.telegram, token: env.TELEGRAM_BOT_TOKEN } };
}

/** A worker that is misspelt would have its settings ignored. */
function checkWorkers(workers: unknown, known: readonly string[]): ConfigFault[] {
  if (typeof workers !== 'object' || workers === null) return [];
  return Object.keys(workers)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const path = ['workers', name];
      const sentence = `${formatPath(path)}: is not a worker; available: ${known.join(', ')}`;
      return { path, sentence };
    });
}

/**
 * Reads a configuration's text. @throws UsageFault with all faults: the file, the line, the key and
 * what is allowed
 */
export function parseConfig(
  text: string,
  path: string,
  env: Environment = {},
  workers?: readonly string[],
): ConfigFile {
  return parseConfigText(text, path, env, workers).file;
}

function parseConfigText(
  text: string,
  path: string,
  env: Environment,
  workers: readonly string[] | undefined,
): { readonly file: ConfigFile; readonly lineOf: (place: ConfigPath) => number } {
  // UTF-16 that was read as UTF-8.
  if (text.includes('\0') || text.startsWith('\ufffd')) {
    throw new UsageFault('bad_config', `${path}: is not text in UTF-8; save the file as UTF-8`);
  }
  const parsed = parseWithVariables(text, path, env);
  if (parsed.document.errors.some(({ code }) => code === 'MULTIPLE_DOCS')) {
    const sentence = 'has several YAML documents ("---"); expected one';
    throw new UsageFault('bad_config', `${path}: ${sentence}`);
  }
  const syntaxErrors = parsed.document.errors.map((error) => {
    // The parser quotes the text that it stumbled over.
    const text = error.message.split('\n')[0]?.replace(/:$/, '') ?? '';
    const reason = maskSecrets(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '"…"'));
    return `${path}: is not YAML (${reason})`;
  });
  if (syntaxErrors.length > 0) throw new UsageFault('bad_config', syntaxErrors.join('\n'));
  const contents = applyToken(dropEmpty(toContents(parsed.document, path) ?? {}), env);
  const validated = fileSchema.safeParse(contents, { error: describeConfigIssue });
  const { plans, nodes, trial, workers: workerKeys } = (contents ?? {}) as Record<string, unknown>;
  const faults = [
    ...(workers === undefined ? [] : checkWorkers(workerKeys, workers)),
    ...(validated.error?.issues ?? []).flatMap((issue) =>
      toConfigFaults(issue, (place) => formatValue(contents, place)),
    ),
    ...checkPrices(plans),
    ...checkNodes(nodes),
    ...checkTrial(trial, plans),
  ];
  refuseFaults(path, faults, parsed);
  const lineOf = (place: ConfigPath) => findLine(parsed.document, parsed.lines, place);
  return { file: validated.data as ConfigFile, lineOf };
}

function chooseDataDir(env: Environment): string {
  if (process.getuid?.() === 0) return '/var/lib/perennial';
  return join(env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'perennial');
}

function readFileOr(path: string, otherwise: (cause: NodeJS.ErrnoException) => string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return otherwise(error as NodeJS.ErrnoException);
  }
}

/**
 * The configuration of this process: `--config`, else `PERENNIAL_CONFIG`, else `perennial.yaml`
 * in the working folder if it is there. @throws UsageFault
 */
export function loadConfig(
  options: { config?: string; workers?: readonly string[] } = {},
  env: Environment = process.env,
): Config {
  const namedPath = options.config ?? (env.PERENNIAL_CONFIG || undefined);
  const path = resolve(namedPath ?? 'perennial.yaml');
  let hasFile = true;
  const text = readFileOr(path, (cause) => {
    if (namedPath === undefined && cause.code === 'ENOENT') {
      hasFile = false;
      return '';
    }
    throw new UsageFault(
      'no_config',
      `${path}: can't be read (${cause.code ?? cause.message})`,
      cause,
    );
  });
  const { file: config, lineOf } = parseConfigText(text, path, env, options.workers);
  // A path in a file is meant from that file, a variable's from where one is.
  const fileDataDir = config.data_dir && resolve(dirname(path), config.data_dir);
  const dataDir = env.PERENNIAL_DATA_DIR || fileDataDir;
  return {
    path: hasFile ? path : undefined,
    file: config,
    database: env.DATABASE_URL || config.database,
    dataDir: resolve(dataDir ?? chooseDataDir(env)),
    dataDirNamed: dataDir !== undefined,
    logLevel: env.PERENNIAL_LOG_LEVEL || 'info',
    exposed: hasFile ? findExposedFiles(path, text, config) : [],
    findLine: lineOf,
  };
}

/** The nodes of the file; its TLS files are named from where it is, and absolute from here on. */
export function toNodeConfigs({ path = 'perennial.yaml', file }: Config): NodeConfig[] | undefined {
  const resolveFile = (name: string | undefined) => name && resolve(dirname(path), name);
  return file.nodes?.map((node) => {
    if (typeof node.tls !== 'object') return node;
    const { ca, cert, key } = node.tls;
    const files = { ca: resolveFile(ca), cert: resolveFile(cert), key: resolveFile(key) };
    // What isn't named stays unnamed, so that it equals what the books have.
    const present = Object.fromEntries(Object.entries(files).filter(([, name]) => name));
    return { ...node, tls: { ...node.tls, ...present } };
  });
}
