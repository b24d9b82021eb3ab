import { chmodSync, writeFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { buildProgram } from '../../../src/cli/program.ts';
import { forecastDaysMax } from '../../../src/forecast/forecast.ts';
import {
  enterCommandFolder,
  type Outcome,
  readAllTables,
  runLine,
  runWords,
} from '../../support/command-line.ts';

// Wrong inputs for every command and option of the program. The lines follow from the tree of
// commands, so a new command needs a right line here, and a new option needs its wrong values.

interface Line {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string>>;
}

const line = (args: readonly string[], options: Readonly<Record<string, string>> = {}): Line => ({
  args,
  options,
});

const payment = { '--provider': 'bank', '--ref': 'r1' };

/** A right line of each command. A test replaces one value by a wrong one. */
const rightLines: Readonly<Record<string, Line>> = {
  demo: line([], { '--seconds': '1' }),
  start: line([]),
  migrate: line([]),
  apply: line(['perennial.yaml']),
  'plan list': line([]),
  'plan set-price': line(['basic', '160'], { '--days': '30' }),
  'node list': line([]),
  'node check': line(['nl-1']),
  'node reconcile': line(['nl-1']),
  'node adopt': line(['nl-1', 'someone']),
  'node remove': line(['nl-1']),
  import: line(['customers.csv']),
  export: line(['/nowhere/customers.csv']),
  backup: line(['/nowhere/backup']),
  restore: line(['backup']),
  'db url': line([]),
  run: line(['auto-renewal']),
  'runs list': line([]),
  'runs show': line(['1']),
  'quarantine list': line([]),
  'quarantine retry': line(['1']),
  'quarantine dismiss': line(['1'], { '--reason': 'x' }),
  'customer create': line(['9']),
  'customer set': line(['7'], { '--vip': 'on' }),
  'customer show': line(['7']),
  'customer top-up': line(['7', '5']),
  'customer purchase': line(['7'], { '--plan': 'basic', '--days': '30' }),
  'customer trial': line(['7']),
  'customer auto-renew': line(['7', 'on']),
  'customer change-plan': line(['7'], { '--plan': 'basic', '--days': '90' }),
  'customer refund': line(['7'], { '--period': '1' }),
  'customer chargeback': line(['7'], { ...payment, '--dispute': 'd1' }),
  'customer move-payment': line([], { ...payment, '--from': '7', '--to': '6' }),
  'customer waive-claim': line(['7'], { '--reason': 'x' }),
  'customer adjust': line(['7', '5'], { '--reason': 'x' }),
  'customer grant': line(['7'], { '--days': '3' }),
  'customer revoke': line(['7']),
  'customer reissue': line(['7']),
  why: line(['7']),
  'customer list': line([]),
  'customer find': line(['7']),
  'customer block': line(['7'], { '--reason': 'x' }),
  'customer unblock': line(['7'], { '--reason': 'x' }),
  'subscription list': line([]),
  grant: line([], { '--days': '2', '--where': 'state=active' }),
  'auto-renew': line(['on'], { '--where': 'state=active' }),
  'bulk list': line([]),
  'bulk show': line(['1']),
  'bulk resume': line(['1']),
  'bulk cancel': line(['1']),
  'notice send': line([], { '--text': 'en=Hello', '--where': 'state=active' }),
  'notice preview': line(['receipt']),
  'notice list': line(['7']),
  'notice resend': line(['1']),
  'notice cancel': line(['1']),
  'notice couriers': line([]),
  'clock show': line([]),
  'clock accept': line([]),
  'clock report': line([]),
  'clock undo': line([]),
  forecast: line([]),
  overview: line([]),
  problems: line([]),
  report: line([], { '--csv': 'ledger' }),
  audit: line([]),
  'token create': line(['bot'], { '--scope': 'read' }),
  'token list': line([]),
  'token revoke': line(['abcdefgh']),
  'ui link': line(['Anna'], { '--role': 'read' }),
  'ui sessions': line([]),
  'ui sign-out': line(['abcdefgh']),
};

/** A wrong value, the exit code (2) and the answer, if it differs from the answer of its kind. */
type Wrong = string | readonly [value: string, code: number, answer: RegExp];

interface Kind {
  /** A right value. */
  readonly right: string;
  readonly wrong: readonly Wrong[];
  /** The part of the answer that names the allowed values. */
  readonly allowed: RegExp;
}

const long = '9'.repeat(40);
const noNumbers = ['x', '-1', '1.5', '1e3', '0x10', 'NaN', 'Infinity', '٣', long];
const whole = (min: number, max: number): Kind => ({
  right: String(min + 1),
  wrong: [...noNumbers, ...(min > 0 ? ['0', String(min - 1)] : []), String(max + 1)],
  allowed: new RegExp(`a whole number from ${min} to ${max}`),
});
const noWorker = /^perennial: worker: ".+" is not a worker; available: auto-renewal/;
const anyText: Kind = { right: 'x', wrong: [], allowed: /./ };
const telegramId: Kind = {
  right: '7',
  wrong: [...noNumbers, '0', '07', ['8', 1, /telegram_id: "8" is not a customer/]],
  allowed: /not a Telegram id; expected a whole number like 123456789/,
};
const rowId: Kind = {
  right: '1',
  wrong: [...noNumbers, '0', '01'],
  allowed: /not an id; expected a whole number like 17, see "perennial customer show"/,
};
const amount: Kind = {
  right: '5',
  wrong: ['x', '1,5', '1e3', '0x10', 'NaN', 'Infinity', '+5', '.5', '1.234', long],
  allowed: /like 149 or 149\.50|at most 2 decimals|too large/,
};
const instant: Kind = {
  right: '2026-12-01T00:00:00Z',
  wrong: [
    'yesterday',
    '0',
    '-1',
    '1764547200',
    '2026-12-01',
    '2026-12-01T00:00:00',
    '2026-13-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '99999-01-01T00:00:00Z',
  ],
  allowed: /ISO 8601 with an offset/,
};
const noEffect = [
  '2026-12-01T00:00:00Z',
  2,
  /--now: has no effect on "[a-z ]+"; remove it/,
] as const;
const onOff: Kind = {
  right: 'on',
  wrong: ['yes', 'ON', '1', 'true'],
  allowed: /expected on or off/,
};
const currency: Kind = {
  right: 'RUB',
  wrong: ['rub', 'RU', 'ZZZ', 'rubles', '643'],
  allowed: /a code like RUB/,
};
const duration: Kind = {
  right: '12h',
  wrong: ['0', '0d', '-1d', '5', 'x', '1 day', `${long}d`, '36501d'],
  allowed: /is not a duration of at most \d+d; expected/,
};
const plan: Kind = {
  right: 'basic',
  wrong: [['gold', 1, /"gold" is not a plan.*(available: basic|"perennial plan list")/]],
  allowed: /./,
};
const node: Kind = { right: 'nl-1', wrong: ['nl-9', 'NL-1'], allowed: /available: nl-1/ };
const format: Kind = { right: 'csv', wrong: ['xml', 'CSV', '1'], allowed: /csv.*jsonl/ };
// The answer names an unusable file by its path only.
const file = (...wrong: Wrong[]): Kind => ({ right: 'x', wrong, allowed: /./ });
const unreadable = ['/nowhere/x.csv', 2, /\/nowhere\/x\.csv: can't be read/] as const;
const unwritable = ['/nowhere/x.csv', 2, /\/nowhere\/x\.csv: can't be written/] as const;
const locale: Kind = {
  right: 'ru',
  wrong: ['english!', '1', '-'],
  allowed: /a code like en or ru|available: en, ru/,
};
const timeZone: Kind = {
  right: 'Europe/Moscow',
  wrong: ['Mars/Olympus', '+25:00', '3'],
  allowed: /is not a time zone; expected a name like Europe\/Moscow/,
};
const where: Kind = {
  right: 'state=active',
  wrong: [
    ['x', 2, /^perennial: --where: "x" is not a condition; expected a pair like state=active/],
    ['colour=red', 2, /^perennial: --where: "colour" is not a filter; available: state, kind,/],
    [
      'state=gone',
      2,
      /^perennial: --where: state: "gone" is .* expected active, expired or revoked/,
    ],
    ['plan=gold', 1, /plan: "gold" is not a plan; available: basic/],
    ['node_group=gold', 1, /node_group: "gold" is not a group of a plan; available: all/],
  ],
  allowed: /./,
};
const job: Kind = {
  ...rowId,
  wrong: [...rowId.wrong, ['99', 1, /no bulk job 99; list them with "perennial bulk list"/]],
};
const choice = (right: string, allowed: RegExp): Kind => ({
  right,
  wrong: ['gone', right.toUpperCase(), '1'],
  allowed,
});

/** Kinds by place. The path of a command precedes a place that has another kind elsewhere. */
const kinds: Readonly<Record<string, Kind>> = {
  TG: telegramId,
  'customer create TG': { ...telegramId, wrong: [...noNumbers, '0', '07'] },
  'customer show TG': {
    right: '7',
    wrong: [
      ['x', 1, /"x" matches no customer; expected a Telegram id, a customer id like c123/],
      ['8', 1, /"8" is not a customer/],
    ],
    allowed: /./,
  },
  VALUE: { right: '7', wrong: [['x', 1, /"x" matches no customer/]], allowed: /./ },
  AMOUNT: amount,
  PLAN: plan,
  'apply FILE': file(unreadable, ['.', 2, /: can't be read/]),
  'import FILE': file(unreadable, [
    'x',
    2,
    /x: is not a name with a known ending; .* --format csv or --format jsonl/,
  ]),
  'export FILE': file(unwritable, [
    'x',
    2,
    /x: is not a name with a known ending; .* --format csv or --format jsonl/,
  ]),
  'backup FILE': file(unwritable, ['.', 2, /\.: can't be written/]),
  'restore FILE': file(unreadable, ['.', 2, /\.: can't be read/]),
  NAME: { ...anyText, wrong: ['a  b', ' a', 'é​x', 'x'.repeat(65)], allowed: /1 to 64 printable/ },
  'node adopt NAME': anyText,
  ID: node,
  'notice resend ID': {
    ...rowId,
    wrong: [
      ...rowId.wrong,
      ['99', 1, /"99" is not a notification; list them with "perennial notice list"/],
    ],
  },
  'notice cancel ID': {
    ...rowId,
    wrong: [
      ...rowId.wrong,
      ['99', 1, /"99" is not a notification; list them with "perennial notice list"/],
    ],
  },
  'runs show ID': {
    ...rowId,
    wrong: [...rowId.wrong, ['99', 1, /no run 99; list them with "perennial runs list"/]],
  },
  ITEM: {
    ...anyText,
    wrong: [['99', 1, /no item "99" is in quarantine; available: 1 \(auto-renewal\)/]],
  },
  '--worker': choice('auto-renewal', /not a worker; available: auto-renewal/),
  '--since': instant,
  '--outcome': choice('failed', /running, success, partial, skipped, degraded, failed, lost/),
  'quarantine retry --reason': {
    ...anyText,
    wrong: [['gone', 1, /with the reason "gone"; available: 1 \(auto-renewal\)/]],
  },
  'token revoke ID': { right: 'x', wrong: [], allowed: /./ },
  'ui link --role': choice(
    'read',
    /Allowed choices are read, sell, admin|available: read, sell, admin/,
  ),
  'ui link --expires': { ...duration, wrong: ['0s', '-1m', 'x', '25h'] },
  'ui sign-out ID': { right: 'abcdefgh', wrong: [], allowed: /./ },
  'ui sign-out --name': { right: 'x', wrong: [], allowed: /./ },
  'bulk show ID': job,
  'bulk resume ID': job,
  'bulk cancel ID': job,
  '--where': where,
  '--sort': choice('id', /available: id, -id/),
  '--page': {
    right: 'x',
    wrong: [['x', 2, /cursor: "x" is not a cursor; expected next_cursor/]],
    allowed: /./,
  },
  '--text': {
    right: 'en=Hello',
    wrong: [
      ['x', 2, /--text: "x" is not a pair; expected a language/],
      ['ru=Привет', 2, /texts: "en" is missing/],
    ],
    allowed: /./,
  },
  'notice send --file': {
    right: 'en=x',
    wrong: [
      ['x', 2, /--file: "x" is not a pair/],
      ['ru=/nowhere/x', 2, /--file: \/nowhere\/x cannot be read/],
    ],
    allowed: /./,
  },
  KIND: choice('receipt', /available: receipt, low_balance/),
  worker: {
    ...anyText,
    wrong: ['gone', 'AUTO-RENEWAL', '1'].map((value) => [value, 2, noWorker] as const),
  },
  'on|off': onOff,
  '--config': file(['gone.yaml', 2, /\/gone\.yaml: can't be read/], ['.', 2, /: can't be read/]),
  '--now': instant,
  'restore --now': { ...instant, wrong: [...instant.wrong, noEffect] },
  'db url --now': { ...instant, wrong: [...instant.wrong, noEffect] },
  '--customers': whole(10, 100_000),
  '--seed': whole(1, 999_999_999),
  '--rate': whole(1, 100_000),
  '--seconds': whole(1, 86_400),
  '--role': {
    ...choice('all', /all, worker, api/),
    wrong: ['gone', 'ALL', '1', ['worker,boss', 2, /--role: "boss" is not a role; available: all/]],
  },
  '--log': choice('json', /text, json/),
  '--wait': { ...duration, wrong: ['-1d', '5', 'x', '1 day', `${long}d`, '8d'] },
  '--moved': node,
  '--keep': node,
  '--confirm-removals': { ...whole(0, Number.MAX_SAFE_INTEGER), wrong: noNumbers },
  '--days': whole(1, 3_660),
  'forecast --days': whole(1, forecastDaysMax),
  '--by': choice('day', /expected day, plan or customer|day, plan, customer/),
  '--prices': { ...file(unreadable), right: 'perennial.yaml' },
  '--currency': currency,
  '--from': instant,
  'customer move-payment --from': telegramId,
  '--to': telegramId,
  '--format': format,
  'audit --format': choice('json', /text, json, markdown, html/),
  '--locale': locale,
  '--time-zone': timeZone,
  '--zone': timeZone,
  '--vip': onOff,
  '--auto-renew': onOff,
  '--reachable': onOff,
  '--discount': whole(0, 100),
  '--rows': whole(1, 10_000),
  'customer list --rows': whole(1, 1_000_000),
  'subscription list --rows': whole(1, 1_000_000),
  'customer show --rows': whole(0, 10_000),
  'runs show --rows': whole(0, 10_000),
  '--key': anyText,
  '--provider': anyText,
  '--ref': anyText,
  '--dispute': anyText,
  '--reason': anyText,
  '--subscription': {
    ...rowId,
    wrong: [...rowId.wrong, ['99', 1, /subscription_id: "99" is not a subscription/]],
  },
  '--period': {
    ...rowId,
    wrong: [...rowId.wrong, ['99', 1, /"99" is not a period .* list them with "customer show"/]],
  },
  '--adjustment': rowId,
  '--plan': plan,
  '--pay': amount,
  '--amount': amount,
  '--if-price': amount,
  '--if-expires-at': instant,
  '--refund': choice('unused', /expected whole or unused/),
  '--state': choice('sent', /pending, sending, sent, uncertain, suppressed, failed/),
  '--kind': choice('receipt', /available: receipt, low_balance/),
  '--before': rowId,
  '--forget': { right: 'log', wrong: [['gone', 1, /"gone" is not a courier/]], allowed: /./ },
  '--scope': choice('read', /read, sell, admin, metrics/),
  '--expires': duration,
  '--month': {
    right: '2026-10',
    wrong: ['2026', '2026-13', '2026-1', '11-2026', 'last', '0000-01', `${long}-01`],
    allowed: /not a month; expected one like 2026-11/,
  },
  '--csv': choice('ledger', /available: ledger, periods/),
  '--out': file(unwritable),
};

interface Leaf {
  readonly path: string;
  readonly command: Command;
}

const leavesOf = (command: Command, path: readonly string[]): Leaf[] =>
  command.commands.length === 0
    ? [{ path: path.join(' '), command }]
    : command.commands.flatMap((inner) => leavesOf(inner, [...path, inner.name()]));

const leaves = leavesOf(await buildProgram(), []);
const groups = [...new Set(leaves.flatMap(({ path }) => path.split(' ').slice(0, -1)))];

const kindOf = (path: string, place: string): Kind | undefined =>
  kinds[`${path} ${place}`] ?? kinds[place];
const placeOf = ({ long, flags }: Option): string => long ?? flags;
const valued = (command: Command): Option[] => command.options.filter(({ required }) => required);
const isList = ({ long }: Option): boolean =>
  ['--moved', '--keep', '--text', '--file'].includes(long ?? '');

interface Case {
  readonly words: readonly string[];
  readonly code: number;
  /** Each has to be in the first line of the answer. */
  readonly answer: readonly (RegExp | string)[];
}

const wordsOf = (path: string, { args, options }: Line): string[] => [
  ...path.split(' '),
  ...args,
  ...Object.entries(options).flat(),
];

const without = ({ args, options }: Line, place: string): Line => {
  const { [place]: _, ...rest } = options;
  return { args, options: rest };
};

/** The wrong values of one place; `at` puts a value there. */
function valueCases(path: string, place: string, at: (value: string) => Line): Case[] {
  const kind = kindOf(path, place) as Kind;
  const empty = ['', ' '].map((value) => ({
    words: wordsOf(path, at(value)),
    code: 2,
    answer: [`${place}: "" is empty; expected a value`],
  }));
  const wrong = kind.wrong.map((each) => {
    const [value, code, answer] =
      typeof each === 'string' ? [each, 2, kind.allowed] : (each as [string, number, RegExp]);
    const named = typeof each === 'string' ? [`${place}: `, value.slice(0, 30)] : [];
    return { words: wordsOf(path, at(value)), code, answer: [...named, answer] };
  });
  return [...empty, ...wrong];
}

function casesOf({ path, command }: Leaf): Case[] {
  const right = rightLines[path] as Line;
  const words = wordsOf(path, right);
  const cases: Case[] = [
    {
      words: [...words, '--jsno'],
      code: 2,
      answer: ['"--jsno" is not an option of "perennial ', 'expected --json'],
    },
    { words: [...words, '-x'], code: 2, answer: ['"-x" is not an option'] },
  ];
  const { registeredArguments: places } = command;
  if (!places.some(({ variadic }) => variadic)) {
    const full = places.map((_, at) => right.args[at] ?? 'x');
    const words = wordsOf(path, { ...right, args: [...full, 'more'] });
    cases.push({ words, code: 2, answer: ['arguments are too many; expected'] });
  }
  places.forEach((argument, at) => {
    const place = argument.name();
    if (argument.required) {
      const words = wordsOf(path, { ...right, args: right.args.slice(0, at) });
      cases.push({ words, code: 2, answer: [`${place}: is missing; expected a value`] });
    }
    cases.push(
      ...valueCases(path, place, (value) => ({ ...right, args: right.args.with(at, value) })),
    );
  });
  for (const option of valued(command)) {
    const place = placeOf(option);
    const rest = without(right, place);
    if (option.mandatory) {
      cases.push({
        words: wordsOf(path, rest),
        code: 2,
        answer: [`${option.flags}: is missing; it is required`],
      });
    }
    cases.push({
      words: [...wordsOf(path, rest), place],
      code: 2,
      answer: [`${option.flags}: has no value; expected a value`],
    });
    cases.push(
      ...valueCases(path, place, (value) => ({
        ...rest,
        options: { ...rest.options, [place]: value },
      })),
    );
    if (isList(option)) continue;
    const value = (kindOf(path, place) as Kind).right;
    cases.push({
      words: [...wordsOf(path, rest), place, value, place, value],
      code: 2,
      answer: [`${place}: is given twice; expected one value`],
    });
  }
  return cases;
}

const { database } = await enterCommandFolder();

beforeAll(async () => {
  writeFileSync(
    'perennial.yaml',
    `database: ${database.url}
plans:
  basic: { title: Basic, groups: [all], prices: { RUB: { 30: 149, 90: 399 } } }
nodes:
  - { id: nl-1, api: 127.0.0.1:1, inbounds: [in], groups: [all], link: { host: n.example, port: 443, type: tcp, security: tls, sni: n.example } }
`,
  );
  writeFileSync('customers.csv', 'telegram_id,plan\n7,basic\n');
  writeFileSync('backup', 'not a backup');
  chmodSync('perennial.yaml', 0o600);
  for (const words of [
    'apply perennial.yaml --yes',
    'customer create 6',
    'customer create 7',
    'customer top-up 7 1000',
    'customer purchase 7 --plan basic --days 30',
  ]) {
    expect(await runLine(words)).toMatchObject({ err: '', code: 0 });
  }
  await database.pool.query(`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    VALUES ('auto-renewal', '1', 'no_price: set a price', perennial.clock(), perennial.clock())`);
}, 60_000);

/** The faults of an answer; empty if the answer is right. */
function faultsOf({ code, out, err }: Outcome, wanted: Case): string[] {
  const [first = '', ...more] = err.trim().split('\n');
  const hints = more.filter((hint) => !/^See "perennial .*--help"\.$/.test(hint));
  return [
    ...(code === wanted.code ? [] : [`exit code ${code}, not ${wanted.code}`]),
    ...(out === '' ? [] : ['output']),
    ...(first.startsWith('perennial: ') ? [] : ['not a sentence']),
    ...(hints.length === 0 ? [] : ['more than one sentence']),
    ...wanted.answer
      .filter((each) => (typeof each === 'string' ? !first.includes(each) : !each.test(first)))
      .map((each) => `lacks ${each}`),
  ];
}

test('every command has a right line, and every value has a kind', () => {
  expect(Object.keys(rightLines).sort()).toEqual(leaves.map(({ path }) => path).sort());
  const missing = leaves.flatMap(({ path, command }) =>
    [...command.registeredArguments.map((each) => each.name()), ...valued(command).map(placeOf)]
      .filter((place) => kindOf(path, place) === undefined)
      .map((place) => `${path} ${place}`),
  );
  expect(missing).toEqual([]);
});

test.each(leaves.map(({ path, command }) => ({ path, command })))(
  'wrong inputs of "$path" are refused in one sentence and change nothing',
  async (leaf) => {
    const before = await readAllTables(database.url);
    const faults: string[] = [];
    for (const each of casesOf(leaf)) {
      const outcome = await runWords(each.words);
      for (const fault of faultsOf(outcome, each)) {
        faults.push(`${each.words.join(' ')}: ${fault}: ${outcome.code} ${outcome.err.trim()}`);
      }
    }
    expect(faults).toEqual([]);
    expect(await readAllTables(database.url)).toEqual(before);
  },
  60_000,
);

test.each(['', ...groups])(
  'an unknown command of "%s" is refused with a suggestion',
  async (group) => {
    const own = leaves.map(({ path }) => path.split(' '));
    const name = own.find((path) => group === '' || path[0] === group)?.at(group === '' ? 0 : 1);
    const outcome = await runWords([...(group === '' ? [] : [group]), `${name}x`]);
    expect(outcome).toMatchObject({ code: 2, out: '' });
    expect(outcome.err).toBe(
      `perennial: "${name}x" is not a command of "perennial${group === '' ? '' : ` ${group}`}"; expected ${name}\nSee "perennial ${group === '' ? '' : `${group} `}--help".\n`,
    );
  },
);

test.each([
  ['customer show 7 --rows x --json', 'bad_argument', '--rows: "x" is not a valid number'],
  ['customer show 7 --jsno --json', 'unknown_option', '"--jsno" is not an option'],
  ['customer grant 7 --json', 'missing_mandatory_option_value', '--days <N>: is missing'],
  [
    'plan lst --json',
    'unknown_command',
    '"lst" is not a command of "perennial plan"; expected list',
  ],
])('`%s` prints the fault as JSON', async (words, code, sentence) => {
  const outcome = await runLine(words);
  expect(outcome).toMatchObject({ code: 2, out: '' });
  expect(JSON.parse(outcome.err)).toEqual({
    error: { code, message: expect.stringContaining(sentence) },
  });
});
