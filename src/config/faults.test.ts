import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { parseConfig } from './config.ts';
import { fileSchema } from './schema.ts';

test('all faults are reported at once, in the order of their lines', () => {
  const text = `currency: rub
databse: x
telegram:
  token: "1:x"
  admins: [1, 0]
plans:
  basic:
    title: Basic
    groups: [all]
    prices:
      RUB: { 30: -5, 90: 10 }
      RUR: { 30: 5 }
nodes:
  - { id: nl-1, api: "h:1", groups: [all], inbounds: [v], link: { host: h, port: 443 } }
  - id: nl-2
    api: nowhere
    groups: [all]
    inbound: [v]
    link: { host: h, port: 443 }
workers:
  auto-renewl: { every: soon }
`;
  const refused = (): string => {
    try {
      parseConfig(text, 'shop.yaml', {}, ['auto-renewal']);
      return 'nothing';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refused().split('\n')).toEqual([
    expect.stringMatching(/^shop\.yaml: line 1: currency: "rub" is not a currency/),
    expect.stringMatching(/^shop\.yaml: line 2: the file: there is no key "databse"; available: /),
    expect.stringMatching(
      /^shop\.yaml: line 5: telegram\.admins\.2: 0 is too small; expected a number above 0/,
    ),
    expect.stringMatching(
      /^shop\.yaml: line 11: plans\.basic\.prices\.RUB\.30: "-5" is not a price/,
    ),
    expect.stringMatching(/^shop\.yaml: line 12: plans\.basic\.prices\.RUR: is not a currency/),
    expect.stringMatching(/^shop\.yaml: line 15: nodes\.2\.inbounds: is missing/),
    expect.stringMatching(/^shop\.yaml: line 16: nodes\.2\.api: "nowhere" is not an address/),
    expect.stringMatching(/^shop\.yaml: line 18: nodes\.2: there is no key "inbound"/),
    expect.stringMatching(/^shop\.yaml: line 21: workers\.auto-renewl: is not a worker/),
    expect.stringMatching(/^shop\.yaml: line 21: workers\.auto-renewl\.every: "soon"/),
  ]);
});

test.each([
  ['without its anchor', 'currency: *gone'],
  [
    'that repeats others',
    `a: &a [${'x,'.repeat(200)}]\nb: &b [${'*a,'.repeat(200)}]\nc: [${'*b,'.repeat(200)}]`,
  ],
])('an alias %s is refused as a fault of the file', (_, text) => {
  expect(() => parseConfig(text, 'shop.yaml')).toThrow(/^shop\.yaml: is not YAML \(an alias/);
});

test('all faults of YAML are reported at once', () => {
  const text = 'currency: RUB\ncurrency: USD\ndata_dir: a\ndata_dir: b\n';
  expect(() => parseConfig(text, 'shop.yaml')).toThrow(/line 2, .*\n.*line 4, /);
});

/** Every place of the schema, one of each record and list. */
function toSchemaPaths(
  schema: z.core.$ZodType,
  path: readonly (string | number)[] = [],
): SchemaPath[] {
  const { def } = schema._zod as { def: z.core.$ZodTypes['_zod']['def'] };
  switch (def.type) {
    case 'object':
      return Object.entries(def.shape).flatMap(([key, inner]) => [
        [...path, key],
        ...toSchemaPaths(inner, [...path, key]),
      ]);
    case 'record':
      return [[...path, secretKey], ...toSchemaPaths(def.valueType, [...path, 'x'])];
    case 'array':
      return [[...path, 0], ...toSchemaPaths(def.element, [...path, 0])];
    case 'union':
      return def.options.flatMap((option) => toSchemaPaths(option, path));
    case 'pipe':
      return toSchemaPaths(def.in, path);
    case 'optional':
    case 'default':
      return toSchemaPaths(def.innerType, path);
    default:
      return [];
  }
}

type SchemaPath = readonly (string | number)[];
const secretKey = 'the secret is the key';

test.each([
  ['8123456789:AAF-geheim_geheim_geheim_geheim_12'],
  ['smtp://user:geheim@mail.example'],
  ['postgres://u:ge@heim/1#x?geheim@db:5432/shop'],
  ['postgres://u:geheim pw@db/shop'],
  ['https://t.me/x?token=geheimgeheim'],
  ['-----BEGIN PRIVATE KEY-----\nMIIgeheim\n-----END PRIVATE KEY-----'],
])('a secret like %s is printed at no place of the file, nor as a key', (secret) => {
  const schemaPaths = [
    ...toSchemaPaths(fileSchema),
    ['unknown'],
    ['nodes', 0, 'link', 'pbk'],
    [secretKey],
  ];
  expect(schemaPaths.length).toBeGreaterThan(90);
  let faults = 0;
  for (const place of schemaPaths) {
    const value = place.reduceRight<unknown>(
      (inner, step) =>
        step === 0 ? [inner] : step === secretKey ? { [secret]: 1 } : { [step]: inner },
      secret,
    );
    try {
      parseConfig(stringify(value), 'shop.yaml');
    } catch (error) {
      faults += 1;
      expect((error as Error).message, place.join('.')).not.toMatch(/geheim/);
    }
  }
  expect(faults).toBeGreaterThan(60);
});

test('nodes that share an id or an address, and a trial on no plan, are reported with the other faults', () => {
  const node = (id: string, api: string, more = '') =>
    `  - { id: ${id}, api: "${api}", groups: [all], inbounds: [v], link: { host: h, port: 443 }${more} }`;
  const text = `plans:
  basic: { title: Basic, groups: [all], prices: { RUB: { 30: 149 } } }
trial: { plan: gold, days: 3 }
nodes:
${node('nl-1', 'h:1')}
${node('nl-2', 'h:1')}
${node('nl-1', 'h:3', ', port: 5')}
`;
  const read = () => parseConfig(text, 'shop.yaml');
  expect(read).toThrow(
    expect.objectContaining({
      code: 'bad_config',
      message: expect.stringMatching(
        new RegExp(
          [
            '^shop.yaml: line 3: trial.plan: "gold" is not a plan; available: basic',
            'shop.yaml: line 6: nodes.2.api: "h:1" is that of nodes.1 too',
            'shop.yaml: line 7: nodes.3: there is no key "port".*',
            'shop.yaml: line 7: nodes.3.id: "nl-1" is that of nodes.1 too$',
          ].join('\n'),
        ),
      ),
    }),
  );
});

test('a file of two documents or in UTF-16 is refused with one sentence', () => {
  const read = (text: string) => () => parseConfig(text, 'shop.yaml');
  const faultText = /^shop\.yaml: has several YAML documents \("---"\); expected one$/;
  expect(read('currency: RUB\n---\ncurrency: USD\n')).toThrow(faultText);
  for (const mark of ['', '\ufeff']) {
    const bytes = Buffer.from(`${mark}currency: RUB\n`, 'utf16le').toString('utf8');
    expect(read(bytes)).toThrow(/^shop\.yaml: is not text in UTF-8; save the file as UTF-8$/);
  }
});
