import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
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
import { describeConfigIssue } from './issue-text.ts';
import { fileSchema, type nodeSchema, type planSchema, priceFileSchema } from './schema.ts';
import { type Environment, readYaml } from './yaml.ts';

// The configuration: one YAML file with `${ENV}` inside, and three variables that take precedence.
// Only this file reads the environment. `perennial apply` writes everything that must be equal on
// all replicas (plans, prices, nodes, discounts, renewal, trial) to the database.

export type ConfigFile = z.output<typeof fileSchema>;

export type PlanConfig = z.output<typeof planSchema>;

export type NodeConfig = z.output<typeof nodeSchema>;

export interface Config {
  /** The path of the file; undefined without a file. */
  readonly path: string | undefined;
  readonly file: ConfigFile;
  /** `embedded`, a URL, or undefined: a command that needs a database then fails. */
  readonly database: string | undefined;
  /** The folder of `embedded`. */
  readonly dataDir: string;
  /** True if a variable or the file names `dataDir`, false for the default. */
  readonly dataDirNamed: boolean;
  readonly logLevel: string;
  /** Warnings about files with secrets that every user of the machine can read. */
  readonly exposed?: readonly string[];
  /** The line of a place in the file, for faults that are found later. */
  readonly findLine?: (path: ConfigPath) => number;
}

/** Values that are not printed: they hold passwords. */
const secretKeys = new Set(['database', 'token', 'url']);

/** Sections that contain a secret: a text in place of the section may be the secret. */
const secretSections = new Set(['telegram', 'email', 'database', 'http']);

/** A longer value is no typing error in a setting. It can be a key. */
const shownMax = 64;

/** The wrong value for the fault text; empty for a missing value or a whole mapping. */
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

/** The bot token of the environment takes precedence if the file has the section `telegram`. */
function applyToken(value: unknown, env: Environment): unknown {
  const contents = value as { telegram?: object } | undefined;
  if (!env.TELEGRAM_BOT_TOKEN || typeof contents?.telegram !== 'object') return value;
  return { ...contents, telegram: { ...contents.telegram, token: env.TELEGRAM_BOT_TOKEN } };
}

/** The settings of a misspelt worker would have no effect. */
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
 * Parses the text of a configuration. @throws UsageFault with all faults, each with file, line, key
 * and the allowed values
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
  const parsed = readYaml(text, path, env);
  const contents = applyToken(parsed.contents, env);
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
 * The configuration of this process: `--config`, else `PERENNIAL_CONFIG`, else `perennial.yaml` in
 * the working folder if it exists. @throws UsageFault
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
  // A path in the file is relative to the file. A path in a variable is relative to the working
  // folder.
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

/** The prices of a file, in major units: plan, currency, length in days. */
export type PriceFile = Readonly<Record<string, Pick<PlanConfig, 'prices'>>>;

/** Reads a file with the `plans` of a configuration file, of which only the prices count. */
export function loadPriceFile(path: string, env: Environment = process.env): PriceFile {
  const text = readFileOr(path, (cause) => {
    const sentence = `${path}: can't be read (${cause.code ?? cause.message})`;
    throw new UsageFault('no_file', sentence, cause);
  });
  const parsed = readYaml(text, path, env);
  const { contents } = parsed;
  const validated = priceFileSchema.safeParse(contents, { error: describeConfigIssue });
  const issues = validated.error?.issues ?? [];
  const faults = [
    ...issues.flatMap((issue) => toConfigFaults(issue, (place) => formatValue(contents, place))),
    ...checkPrices((contents as { plans?: unknown }).plans),
  ];
  refuseFaults(path, faults, parsed);
  return validated.data?.plans ?? {};
}

/** The nodes of the file. Their TLS files are relative to the file, and absolute in the result. */
export function toNodeConfigs({ path = 'perennial.yaml', file }: Config): NodeConfig[] | undefined {
  const resolveFile = (name: string | undefined) => name && resolve(dirname(path), name);
  return file.nodes?.map((node) => {
    if (typeof node.tls !== 'object') return node;
    const { ca, cert, key } = node.tls;
    const files = { ca: resolveFile(ca), cert: resolveFile(cert), key: resolveFile(key) };
    // Absent keys stay absent, so that the node equals the one in the database.
    const present = Object.fromEntries(Object.entries(files).filter(([, name]) => name));
    return { ...node, tls: { ...node.tls, ...present } };
  });
}
