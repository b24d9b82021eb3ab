import { globSync, readFileSync } from 'node:fs';
import { FluentResource } from '@fluent/bundle';
import { expect, test } from 'vitest';
import { hashDocument, typesFile } from '../../scripts/dashboard-types.ts';
import { auditChecks } from '../../src/audit/index.ts';

const languages = ['en', 'ru'] as const;

/** The messages of a language, with the file of each. */
function readMessages(language: string): Map<string, string> {
  const messages = new Map<string, string>();
  for (const file of globSync(`dashboard/texts/${language}/*.ftl`)) {
    for (const { id } of new FluentResource(readFileSync(file, 'utf8')).body) {
      expect(messages.get(id), `${id} in two files`).toBeUndefined();
      messages.set(id, file.replace(`/${language}/`, '/'));
    }
  }
  return messages;
}

/** Ids of messages that the code names as a whole: `t('cancel')`. */
function readUsedIds(): string[] {
  return globSync('dashboard/**/*.{ts,tsx}').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\bt\(\s*'([\w-]+)'/g)].map(([, id = '']) => id),
  );
}

test('both languages of the dashboard have the same messages in the same files', () => {
  const [english, russian] = languages.map(readMessages);
  expect([...(russian ?? [])].sort()).toEqual([...(english ?? [])].sort());
});

test('each message that the dashboard names exists', () => {
  const messages = readMessages('en');
  expect(readUsedIds().filter((id) => !messages.has(id))).toEqual([]);
});

test('the dashboard has the title of each check of the audit', () => {
  const text = readFileSync('dashboard/texts/en/audit-checks.ftl', 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('audit-check-'));
  expect(lines).toEqual(auditChecks.map(({ id, title }) => `audit-check-${id} = ${title}`));
});

test('the types of the dashboard are those of the present API', () => {
  const [first = ''] = readFileSync(typesFile, 'utf8').split('\n');
  expect(first, 'run "npm run dashboard:types"').toBe(`// openapi ${hashDocument()}`);
});
