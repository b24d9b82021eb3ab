import { expect, test } from 'vitest';
import { readConfig } from './config.ts';

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
      readConfig(text, 'shop.yaml', {}, ['auto-renewal']);
      return 'nothing';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refused().split('\n')).toEqual([
    expect.stringMatching(/^shop\.yaml: line 1: currency: "rub" is not a currency/),
    expect.stringMatching(/^shop\.yaml: line 2: the file: there is no key "databse"; there is /),
    expect.stringMatching(/^shop\.yaml: line 5: telegram\.admins\.2: 0 must be above 0/),
    expect.stringMatching(/^shop\.yaml: line 11: plans\.basic\.prices\.RUB\.30: -5 is not a price/),
    expect.stringMatching(/^shop\.yaml: line 12: plans\.basic\.prices\.RUR: is not a currency/),
    expect.stringMatching(/^shop\.yaml: line 15: nodes\.2\.inbounds: is missing/),
    expect.stringMatching(/^shop\.yaml: line 16: nodes\.2\.api: "nowhere" is not an address/),
    expect.stringMatching(/^shop\.yaml: line 18: nodes\.2: there is no key "inbound"/),
    expect.stringMatching(/^shop\.yaml: line 21: workers\.auto-renewl: there is no such worker/),
    expect.stringMatching(/^shop\.yaml: line 21: workers\.auto-renewl\.every: "soon"/),
  ]);
});

test('all faults of YAML are reported at once', () => {
  const text = 'currency: RUB\ncurrency: USD\ndata_dir: a\ndata_dir: b\n';
  expect(() => readConfig(text, 'shop.yaml')).toThrow(/line 2, .*\n.*line 4, /);
});
