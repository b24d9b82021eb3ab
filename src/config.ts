import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { UsageFault } from './kernel/faults.ts';
import { dayMs, hourMs, readDurationMs, secondMs } from './kernel/instant.ts';
import { isCurrency, readMinor } from './kernel/money.ts';

// The configuration: one YAML file, `${ENV}` inside, three variables that win over it. The only
// file that reads the environment. What must not differ between replicas (plans, prices, nodes,
// discounts, renewal, trial) is written to the database by `perennial apply` and read from there.

const duration = z.union([z.string(), z.number()]).transform((given, context) => {
  const text = String(given);
  const ms = readDurationMs(text);
  if (ms !== undefined && ms > 0) return ms;
  context.addIssue({
    code: 'custom',
    message: `"${text}" is not a duration; 15s, 10m, 6h or 7d is`,
  });
  return z.NEVER;
});

const currency = z
  .string()
  .refine(isCurrency, 'is not a currency; an ISO 4217 code as RUB or USD, or XTR, is');

const percent = z.number().int().min(0).max(100);
const key = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be lower-case letters, digits, - and _');
const title = z.union(
  [
    z
      .string()
      .min(1)
      .transform((text): Record<string, string> => ({ en: text })),
    z.record(z.string(), z.string().min(1)),
  ],
  { error: 'must be a text, or one by language as { en: Basic, ru: Базовый }' },
);
const major = z
  .union([z.number(), z.string()], { error: 'must be an amount, as 149 or 149.50' })
  .transform(String);

/** A mapping with these keys and no others: a key that is misspelt is told, not passed over. */
function mapping<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no key "${issue.keys[0]}"; there is ${Object.keys(shape).join(', ')}`
        : undefined,
  });
}

const periodDays = z
  .string()
  .refine(
    (text) => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= 3_660,
    'is not a number of days from 1 to 3660',
  );

const plan = mapping({
  title,
  groups: z.array(z.string().min(1)).min(1),
  prices: z.record(currency, z.record(periodDays, major)),
});

const node = mapping({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be lower-case letters, digits, ., - and _'),
  api: z.string().min(1),
  tls: z
    .union(
      [
        z.boolean(),
        mapping({
          ca: z.string().optional(),
          cert: z.string().optional(),
          key: z.string().optional(),
          server_name: z.string().optional(),
        }),
      ],
      { error: 'must be true, false, or files as { ca: FILE, cert: FILE, key: FILE }' },
    )
    .default(false),
  groups: z.array(z.string().min(1)).min(1),
  inbounds: z.array(z.string().min(1)).min(1),
  link: z.looseObject({ host: z.string().min(1), port: z.number().int().min(1).max(65_535) }),
});

const workerSettings = mapping({
  every: duration.optional(),
  batch: z.number().int().min(1).max(10_000).optional(),
  budget: duration.optional(),
});

const file = mapping({
  installation: z
    .string()
    .regex(/^[a-z0-9]{1,32}$/, 'must be 1 to 32 lower-case letters and digits')
    .default('perennial'),
  database: z.string().min(1).optional(),
  data_dir: z.string().min(1).optional(),
  currency: currency.default('RUB'),
  telegram: z
    .strictObject({
      token: z.string(),
      api: z.url().default('https://api.telegram.org'),
      admins: z.array(z.number().int().positive()).default([]),
      per_second: z.number().positive().max(30).default(20),
    })
    .optional(),
  plans: z.record(key, plan).optional(),
  trial: mapping({ plan: key, days: z.number().int().min(1).max(90) }).optional(),
  discounts: mapping({ vip_percent: percent.default(30) }).optional(),
  renewal: z
    .strictObject({
      window: duration.default(6 * hourMs),
      retry: duration.default(hourMs),
      revive: duration.default(7 * dayMs),
    })
    .optional(),
  nodes: z.array(node).optional(),
  workers: z.record(z.string(), workerSettings).default({}),
});

export type ConfigFile = z.output<typeof file>;
export type PlanConfig = z.output<typeof plan>;
export type NodeConfig = z.output<typeof node>;

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
}

type Environment = Readonly<Record<string, string | undefined>>;

function withVariables(text: string, path: string, env: Environment): string {
  return text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = env[name];
    // Absent is not empty: `database: ${DATABASE_URL}` without the variable is "not set".
    if (value === undefined) return '';
    if (/[\r\n]/.test(value)) {
      throw new UsageFault('bad_config', `${path}: the variable ${name} has a line break`);
    }
    return value;
  });
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join('.') || 'the file';
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
};

/** What is wrong with a value, as the end of a sentence that begins with its place. */
function wrongWith(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      const noun = nouns[issue.expected] ?? issue.expected;
      return issue.input === undefined ? `is missing; it must be ${noun}` : `must be ${noun}`;
    }
    case 'too_small':
      return issue.origin === 'number'
        ? `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`
        : 'must not be empty';
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'invalid_format':
      return issue.format === 'url' ? 'is not a URL' : undefined;
    default:
      return undefined;
  }
}

/** Drops keys without a value, so that `database: ${UNSET}` counts as not given. */
function withoutEmpty(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([name, inner]) => [name, withoutEmpty(inner)]),
  );
}

/** The bot's token of the environment wins over the file's, where the file has Telegram at all. */
function withToken(value: unknown, env: Environment): unknown {
  const given = value as { telegram?: object } | undefined;
  if (!env.TELEGRAM_BOT_TOKEN || typeof given?.telegram !== 'object') return value;
  return { ...given, telegram: { ...given.telegram, token: env.TELEGRAM_BOT_TOKEN } };
}

function checkPrices(path: string, config: ConfigFile): void {
  for (const [planKey, { prices }] of Object.entries(config.plans ?? {})) {
    for (const [code, byPeriod] of Object.entries(prices)) {
      for (const [days, amount] of Object.entries(byPeriod)) {
        const place = `${path}: plans.${planKey}.prices.${code}.${days}`;
        const read = readMinor(amount, code);
        if ('wrong' in read)
          throw new UsageFault('bad_price', `${place}: "${amount}" is ${read.wrong}`);
        if (read.minor <= 0n) {
          throw new UsageFault(
            'bad_price',
            `${place}: ${amount} is not a price; it must be above 0`,
          );
        }
      }
    }
  }
}

/** Reads a configuration's text. @throws UsageFault naming the file, the key and what is allowed. */
export function readConfig(text: string, path: string, env: Environment = {}): ConfigFile {
  const document = parseDocument(withVariables(text, path, env), { prettyErrors: true });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const why = broken.message.split('\n')[0]?.replace(/:$/, '');
    throw new UsageFault('bad_config', `${path}: is not YAML (${why})`);
  }
  const given = withToken(withoutEmpty(document.toJS() ?? {}), env);
  const read = file.safeParse(given, { error: wrongWith });
  if (!read.success) {
    const [issue] = read.error.issues;
    const where = issue === undefined ? 'the file' : pathText(issue.path);
    throw new UsageFault('bad_config', `${path}: ${where}: ${issue?.message ?? 'is not valid'}`);
  }
  checkPrices(path, read.data);
  return read.data;
}

function defaultDataDir(env: Environment): string {
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
  options: { config?: string } = {},
  env: Environment = process.env,
): Config {
  const named = options.config ?? env.PERENNIAL_CONFIG;
  const path = resolve(named ?? 'perennial.yaml');
  let found = true;
  const text = readFileOr(path, (cause) => {
    if (named === undefined && cause.code === 'ENOENT') {
      found = false;
      return '';
    }
    throw new UsageFault(
      'no_config',
      `${path}: can't be read (${cause.code ?? cause.message})`,
      cause,
    );
  });
  const config = readConfig(text, path, env);
  const dataDir = env.PERENNIAL_DATA_DIR || config.data_dir;
  return {
    path: found ? path : undefined,
    file: config,
    database: env.DATABASE_URL || config.database,
    dataDir: resolve(dataDir ?? defaultDataDir(env)),
    dataDirNamed: dataDir !== undefined,
    logLevel: env.PERENNIAL_LOG_LEVEL || 'info',
  };
}

/** How a worker is run: from `workers.<name>`, else these. */
export interface WorkerSettings {
  readonly everyMs: number;
  readonly batchMax: number;
  readonly budgetMs: number;
}

/** @param worker its name, and how often it runs where the file says nothing */
export function settingsOf(
  config: Config,
  worker: { readonly name: string; readonly everyMs: number },
): WorkerSettings {
  const own = config.file.workers[worker.name] ?? {};
  return {
    everyMs: own.every ?? worker.everyMs,
    batchMax: own.batch ?? 1_000,
    budgetMs: own.budget ?? 15 * secondMs,
  };
}
