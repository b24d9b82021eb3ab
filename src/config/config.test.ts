// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what the file has, not what a template
// has
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { UsageFault } from '../kernel/faults.ts';
import { dayMs, hourMs, minuteMs } from '../kernel/instant.ts';
import { loadConfig, parseConfig, toNodeConfigs } from './config.ts';
import { toWorkerSettings } from './settings.ts';

const plan = (prices: string): string =>
  `plans: { basic: { title: Basic, groups: [all], prices: ${prices} } }`;
const node = (more: string): string =>
  `nodes: [{ id: nl-1, api: "10.0.0.2:10085", groups: [all], inbounds: [vless], link: { host: h, port: 443 }, ${more} }]`;
const withApi = (api: string) => node('tls: false').replace('10.0.0.2:10085', api);
const withFlow = (flow: string) =>
  node('tls: false').replace('port: 443', `port: 443, flow: ${flow}`);
const addressText =
  'is not an address; expected 10.0.0.2:10085, [fd00::2]:10085 or unix:/run/xray.sock';
const flowText = 'is not a flow; expected xtls-rprx-vision, xtls-rprx-vision-udp443, or no key';
const reviveText = 'is not a duration up to 3660d; expected one like 7d, or 0 for off';
const durationText = 'is not a duration up to 3660d; expected one like 15s, 10m, 6h or 7d';
const priceText = 'is not a price; expected an amount above 0';
const currencyText = 'is not a currency; expected an ISO 4217 code like RUB or USD, or XTR';
const amountText = 'is not an amount; expected one like 149 or 149.50';
const daysText = 'is not a number of days; expected 1 to 3660';
const large = 'is too large; expected at most';
const small = 'is too small; expected at least';
const keyText = 'is not a key; expected lower-case letters, digits, - and _';

// The text of a file, and the sentence of its refusal without the name of the file.
const refusals: readonly [text: string, sentence: string][] = [
  [
    'installation: Ac_me',
    'installation: "Ac_me" is not a name; expected 1 to 32 lower-case letters and digits',
  ],
  ['installation: 5', 'installation: 5 is not a text'],
  ['currency: rub', `currency: "rub" ${currencyText}`],
  ['database: 5', 'database: is not a text'],
  ['database: ""', 'database: is empty; expected a value'],
  ['discounts: { vip_percent: 101 }', `discounts.vip_percent: 101 ${large} 100`],
  ['discounts: { vip_percent: -1 }', `discounts.vip_percent: -1 ${small} 0`],
  ['discounts: { vip_percent: 12.5 }', 'discounts.vip_percent: 12.5 is not a whole number'],
  ['discounts: { vip_percent: a lot }', 'discounts.vip_percent: "a lot" is not a number'],
  ['discounts: { vip: 3 }', 'discounts: there is no key "vip"; available: vip_percent'],
  ['renewal: { window: 6 }', `renewal.window: 6 ${durationText}`],
  ['renewal: { window: 0h }', `renewal.window: "0h" ${durationText}`],
  ['renewal: { retry: soon }', `renewal.retry: "soon" ${durationText}`],
  ['renewal: { revive: 3661d }', `renewal.revive: "3661d" ${reviveText}`],
  ['trial: { plan: basic }', 'trial.days: is missing; expected a number'],
  ['trial: { plan: basic, days: 0 }', `trial.days: 0 ${small} 1`],
  ['trial: { plan: basic, days: 91 }', `trial.days: 91 ${large} 90`],
  ['trial: { plan: BASIC, days: 3 }', `trial.plan: "BASIC" ${keyText}`],
  ['plans: { Basic: { title: B, groups: [all], prices: {} } }', `plans.Basic: ${keyText}`],
  [
    'plans: { basic: { title: B, groups: [], prices: {} } }',
    'plans.basic.groups: is empty; expected a value',
  ],
  [
    'plans: { basic: { title: {}, groups: [all], prices: {} } }',
    'plans.basic.title: is not a text; expected one, or one by language as { en: Basic, ru: Базовый }',
  ],
  [plan('{ ABC: { 30: 5 } }'), `plans.basic.prices.ABC: ${currencyText}`],
  [plan('{ RUB: { 0: 5 } }'), `plans.basic.prices.RUB.0: ${daysText}`],
  [plan('{ RUB: { 3661: 5 } }'), `plans.basic.prices.RUB.3661: ${daysText}`],
  [plan('{ RUB: { month: 5 } }'), `plans.basic.prices.RUB.month: ${daysText}`],
  [plan('{ RUB: { 30: 0 } }'), `plans.basic.prices.RUB.30: "0" ${priceText}`],
  [plan('{ RUB: { 30: -5 } }'), `plans.basic.prices.RUB.30: "-5" ${priceText}`],
  [
    plan('{ RUB: { 30: 149.505 } }'),
    'plans.basic.prices.RUB.30: "149.505" is not an amount of RUB; expected at most 2 decimals',
  ],
  [
    plan('{ JPY: { 30: 1.5 } }'),
    'plans.basic.prices.JPY.30: "1.5" is not an amount of JPY; expected no decimals',
  ],
  [plan('{ RUB: { 30: 1e21 } }'), `plans.basic.prices.RUB.30: "1e+21" ${amountText}`],
  [plan('{ RUB: { 30: true } }'), `plans.basic.prices.RUB.30: true ${amountText}`],
  ['telegram: { api: "https://a.b" }', 'telegram.token: is missing; expected a text'],
  ['telegram: { token: }', 'telegram.token: is missing; expected a text'],
  ['telegram: { token: 5 }', 'telegram.token: is not a text'],
  ['telegram: { token: x, api: nope }', 'telegram.api: "nope" is not a URL'],
  [
    'telegram: { token: x, admins: [0] }',
    'telegram.admins.1: 0 is too small; expected a number above 0',
  ],
  ['email: { from: a@b.net }', 'email.url: is missing; expected a text'],
  [
    'email: { url: "http://ops:secret@mail.net", from: a@b.net }',
    'email.url: is not a URL of a mail server; expected smtp://user:password@host:587',
  ],
  [
    'email: { url: "smtp://mail.net", from: a@b.net, admins: [ops] }',
    'email.admins.1: "ops" is not an e-mail address; expected name@host',
  ],
  ['telegram: { token: x, per_second: 31 }', `telegram.per_second: 31 ${large} 30`],
  [
    node('tls: maybe'),
    'nodes.1.tls: "maybe" is not a setting of TLS; expected true, false, or files as { ca: FILE, cert: FILE, key: FILE }',
  ],
  [withApi('10.0.0.2'), `nodes.1.api: "10.0.0.2" ${addressText}`],
  [withApi('http://10.0.0.2:1'), `nodes.1.api: "http://10.0.0.2:1" ${addressText}`],
  [withApi('10.0.0.2:65536'), `nodes.1.api: "10.0.0.2:65536" ${addressText}`],
  [withApi('unix:xray.sock'), `nodes.1.api: "unix:xray.sock" ${addressText}`],
  [withFlow('visoin'), `nodes.1.link.flow: "visoin" ${flowText}`],
  [withFlow('1'), `nodes.1.link.flow: 1 ${flowText}`],
  [
    'notices: { admin_time_zone: Mars/Olympus }',
    'notices.admin_time_zone: "Mars/Olympus" is not a time zone; expected a name like Europe/Moscow',
  ],
  [
    'notices: { admin_locale: english }',
    'notices.admin_locale: "english" is not a language; expected a code like en or ru',
  ],
  [
    'notices: { texts: mine }',
    'notices: there is no key "texts"; available: renewal_ahead, folder, admin_locale, admin_time_zone',
  ],
  ['workers: 5', 'workers: 5 is not a mapping (key: value)'],
  ['workers: { auto-renewal: { batch: 0 } }', `workers.auto-renewal.batch: 0 ${small} 1`],
  [
    'workers: { auto-renewal: { batch: 10001 } }',
    `workers.auto-renewal.batch: 10001 ${large} 10000`,
  ],
  [
    'workers: { auto-renewal: { every: soon } }',
    `workers.auto-renewal.every: "soon" ${durationText}`,
  ],
  [
    'workers: { auto-renewal: { pace: 1s } }',
    'workers.auto-renewal: there is no key "pace"; available: every, batch, budget',
  ],
  ['- 1', 'the file: is not a mapping (key: value)'],
  ['currency: RUB\ncurrency: USD', 'is not YAML (Map keys must be unique at line 2, column 1)'],
  [
    'currency: RUB\n\tdatabase: x',
    'is not YAML (Tabs are not allowed as indentation at line 2, column 1)',
  ],
];

test.for(refusals)('refused in one sentence: %s', ([text, sentence]) => {
  const place = sentence.startsWith('is not YAML') ? 'shop.yaml' : 'shop.yaml: line 1';
  expect(() => parseConfig(text, 'shop.yaml')).toThrow(
    expect.objectContaining({ name: 'UsageFault', message: `${place}: ${sentence}` }),
  );
});

test('a secret is not repeated in a refusal', () => {
  const text = 'telegram: { token: { value: "123:SECRET" } }';
  expect(() => parseConfig(text, 'shop.yaml')).toThrow(
    /^shop\.yaml: line 1: telegram\.token: is not a text$/,
  );
});

test('each bound accepts one side and refuses the other', () => {
  const read = parseConfig(
    `discounts: { vip_percent: 100 }
renewal: { window: 1ms, retry: 0.5h, revive: 3660d }
trial: { plan: basic, days: 90 }
${plan('{ RUB: { 1: 0.01, 3660: "149.50" } }')}
workers: { auto-renewal: { batch: 10000 }, fast-expiry-cleanup: { batch: 1 } }`,
    'shop.yaml',
  );
  expect(read.discounts).toEqual({ vip_percent: 100 });
  expect(read.renewal).toMatchObject({ window: 1, retry: hourMs / 2, revive: 3_660 * dayMs });
  expect(read.trial?.days).toBe(90);
  expect(read.plans?.basic?.prices).toEqual({ RUB: { 1: '0.01', 3660: '149.50' } });
});

test.for(['', '# nothing', '{}'])('a file that says nothing has the defaults: "%s"', (text) => {
  expect(parseConfig(text, 'shop.yaml')).toEqual({ currency: 'RUB', workers: {} });
});

describe('${ENV}', () => {
  const database = (text: string, env = {}) => parseConfig(text, 'shop.yaml', env).database;

  test('is put in, alone or in the middle of a value', () => {
    expect(database('database: ${URL}', { URL: 'postgres://h/n' })).toBe('postgres://h/n');
    const env = { USER_NAME: 'u', PASS: 'p' };
    expect(database('database: postgres://${USER_NAME}:${PASS}@h/n', env)).toBe(
      'postgres://u:p@h/n',
    );
    expect(database('{ database: ${URL}, currency: USD }', { URL: 'x' })).toBe('x');
  });

  test('one that is not set counts as not given', () => {
    expect(database('database: ${URL}')).toBeUndefined();
    expect(database('database: "${URL}"')).toBeUndefined();
    expect(database('database: postgres://u:${PASS}@h/n')).toBe('postgres://u:@h/n');
  });

  test.for(['a #b', 'a: b', '{a', 'a, installation: b', '*a', '"a', "'a", '%a', '${URL}', '- a'])(
    'a variable stays in its value: %s',
    (secret) => {
      const read = parseConfig('{ database: ${URL}, currency: USD }', 'shop.yaml', { URL: secret });
      expect(read).toEqual({ database: secret, currency: 'USD', workers: {} });
    },
  );

  test('a number that stands alone is a number, unless it is quoted', () => {
    const env = { PERCENT: '25', NAME: '25' };
    const text = 'discounts: { vip_percent: ${PERCENT} }\ninstallation: "${NAME}"';
    expect(parseConfig(text, 'shop.yaml', env)).toMatchObject({
      discounts: { vip_percent: 25 },
      installation: '25',
    });
  });

  test('one with a line break is refused by its name, without its value', () => {
    expect(() => database('database: ${URL}', { URL: 'a\nSECRET' })).toThrow(
      new UsageFault('bad_config', 'shop.yaml: the variable URL has a line break'),
    );
  });

  test('a variable in a comment is ignored', () => {
    expect(database('# ${URL}\ndatabase: x', { URL: 'a\nb' })).toBe('x');
  });
});

describe('the configuration of a process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'shop.yaml');
  writeFileSync(path, 'database: embedded\ndata_dir: /srv/data\ntelegram: { token: "1:file" }\n');

  test('is the file that --config names, else PERENNIAL_CONFIG', () => {
    expect(loadConfig({ config: path }, {}).database).toBe('embedded');
    expect(loadConfig({}, { PERENNIAL_CONFIG: path }).path).toBe(path);
    const other = join(folder, 'other.yaml');
    writeFileSync(other, 'database: postgres://h/other\n');
    const both = loadConfig({ config: other }, { PERENNIAL_CONFIG: path });
    expect(both.database).toBe('postgres://h/other');
  });

  test('the three variables win over it', () => {
    const read = loadConfig(
      { config: path },
      {
        DATABASE_URL: 'postgres://h/n',
        PERENNIAL_DATA_DIR: '/data',
        TELEGRAM_BOT_TOKEN: '2:env',
      },
    );
    expect(read).toMatchObject({ database: 'postgres://h/n', dataDir: resolve('/data') });
    expect(read.file.telegram?.token).toBe('2:env');
  });

  test('an empty variable wins over nothing', () => {
    const env = { DATABASE_URL: '', PERENNIAL_DATA_DIR: '', TELEGRAM_BOT_TOKEN: '' };
    const read = loadConfig({ config: path }, env);
    expect(read).toMatchObject({ database: 'embedded', dataDir: resolve('/srv/data') });
    expect(read.file.telegram?.token).toBe('1:file');
  });

  test('a token alone makes no Telegram', () => {
    const bare = join(folder, 'bare.yaml');
    writeFileSync(bare, 'currency: USD\n');
    const read = loadConfig({ config: bare }, { TELEGRAM_BOT_TOKEN: '2:env' });
    expect(read.file.telegram).toBeUndefined();
    expect(read).toMatchObject({ database: undefined, dataDirNamed: false, logLevel: 'info' });
  });

  test('a file that is named and not there is refused; nothing named and nothing there is well', () => {
    const missing = join(folder, 'missing.yaml');
    expect(() => loadConfig({ config: missing }, {})).toThrow(
      new UsageFault('no_config', `${missing}: can't be read (ENOENT)`),
    );
    expect(() => loadConfig({ config: folder }, {})).toThrow(/can't be read \(EISDIR\)$/);
  });

  test('TLS files of nodes are relative to the file, not to the working folder', () => {
    const own = join(folder, 'nodes.yaml');
    writeFileSync(own, node('tls: { ca: tls/ca.pem, key: /etc/key.pem, server_name: nl }'));
    expect(toNodeConfigs(loadConfig({ config: own }, {}))?.[0]?.tls).toEqual({
      ca: join(folder, 'tls/ca.pem'),
      key: '/etc/key.pem',
      server_name: 'nl',
    });
    writeFileSync(own, node('tls: true'));
    expect(toNodeConfigs(loadConfig({ config: own }, {}))?.[0]?.tls).toBe(true);
  });

  test('a worker is run as the file says, else as it says itself', () => {
    const text = 'workers: { auto-renewal: { every: 1m, budget: 5s } }';
    const file = parseConfig(text, 'shop.yaml');
    const config = { ...loadConfig({ config: path }, {}), file };
    const renewal = { name: 'auto-renewal', everyMs: 10 * minuteMs };
    expect(toWorkerSettings(config, renewal)).toEqual({
      everyMs: minuteMs,
      batchMax: 1_000,
      budgetMs: 5_000,
    });
    expect(toWorkerSettings(config, { name: 'other', everyMs: 7 })).toEqual({
      everyMs: 7,
      batchMax: 1_000,
      budgetMs: 15_000,
    });
  });
});
