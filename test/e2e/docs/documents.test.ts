import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseConfig } from '../../../src/config/config.ts';
import { fileSchema } from '../../../src/config/schema.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import {
  type CodeBlock,
  findCodeSpans,
  findLinks,
  type MarkdownDocument,
  parseDocument,
  readDocuments,
  toAnchor,
} from '../../support/markdown-document.ts';
import { findCommandFault, isOption, leafCommands, parseCommandLines } from './command-tree.ts';
import { openShell, type Shell } from './shell.ts';

// The documents, block by block, as a reader follows them.

const documents = readDocuments();
const findDocument = (path: string) =>
  documents.find((one) => one.path === path) as MarkdownDocument;

/** Reasons of the blocks that no test runs. A new reason needs a line here, for the review. */
const notRunBlocks: readonly string[] = [
  'README.md: endless',
  'CONTRIBUTING.md: runs the tests that run this',
  'CONTRIBUTING.md: minutes',
  'docs/benchmarks.md: minutes',
  'docs/operating.md: installs',
  'docs/quick-start.md: installs',
  'docs/safety-matrix.md: minutes',
];

/** Languages of blocks that only a reader sees, that are files, or that other tests check. */
// test/e2e/docs/api.test.ts sends the requests of docs/api.md.
const shownLanguages = ['text', 'ini', 'cron', 'csv', 'jsonl', 'ts', 'markdown', 'http', 'mermaid'];
const languages = ['sh', 'yaml', 'sql', 'json', ...shownLanguages];

const isRunnable = ({ language, info }: CodeBlock) =>
  ['sh', 'sql', 'yaml', 'json'].includes(language) && !info.startsWith('no-run');

async function runBlock(
  block: CodeBlock,
  operator: Shell,
  database: TestDatabase | undefined,
): Promise<void> {
  const { language, info, text } = block;
  switch (language) {
    case 'sh': {
      const { code, output } =
        info === 'until-ready'
          ? await operator.runUntilReady(text.trim())
          : await operator.run(text);
      expect(code, output).toBe(0);
      return;
    }
    case 'sql': {
      const client = await (database as TestDatabase).pool.connect();
      try {
        await client.query(`BEGIN; ${text.replace(/;\s*$/, '')}; ROLLBACK`);
      } finally {
        client.release(true);
      }
      return;
    }
    case 'yaml':
      parseConfig(text, 'the block', { DATABASE_URL: 'embedded', TELEGRAM_BOT_TOKEN: '1:x' });
      return;
    case 'json':
      JSON.parse(text);
      return;
    default:
      throw new Error(`no runner for blocks of ${language}`);
  }
}

const runnableDocuments = documents.filter(({ blocks }) => blocks.some(isRunnable));

describe.each(runnableDocuments.map((one) => [one.path, one] as const))(
  '%s',
  (path, { blocks }) => {
    let operator: Shell;
    let database: TestDatabase | undefined;

    beforeAll(async () => {
      // README.md is followed exactly, with the embedded server. For the other documents a server
      // runs already, so that each command joins it.
      const isReadme = path === 'README.md';
      if (!isReadme) database = await createDatabase({ isEmpty: true });
      operator = openShell(database?.url);
      if (isReadme) return;
      const config = readFileSync('examples/perennial.yaml');
      writeFileSync(join(operator.folder, 'perennial.yaml'), config);
      if (blocks.some(({ text }) => text.includes('perennial migrate'))) return;
      const { code, output } = await operator.run(
        'perennial migrate --test --now 2026-11-24T02:00:00Z\nperennial apply perennial.yaml --yes',
      );
      expect(code, output).toBe(0);
    });
    afterAll(async () => {
      operator?.[Symbol.dispose]();
      await database?.close();
    });

    test.each(
      blocks
        .filter((block) => isRunnable(block) || /^\S+\.\w+$/.test(block.info))
        .map((block) => [block.line, block.language, block] as const),
    )(
      'line %i: the %s works as written',
      async (_, __, block) => {
        if (/^\S+\.\w+$/.test(block.info)) {
          writeFileSync(join(operator.folder, block.info), `${block.text}\n`);
        }
        if (isRunnable(block)) await runBlock(block, operator, database);
      },
      60_000,
    );
  },
);

test('each block names its language, and each block that is not run has a known reason', () => {
  const unknown = documents.flatMap(({ path, blocks }) =>
    blocks
      .filter(({ language }) => !languages.includes(language))
      .map(({ line, language }) => `${path}:${line}: ${language || 'no language'}`),
  );
  expect(unknown).toEqual([]);
  const reasons = documents.flatMap(({ path, blocks }) =>
    blocks.flatMap(({ info }) =>
      info.startsWith('no-run') ? `${path}: ${info.replace(/^no-run:? ?/, '')}` : [],
    ),
  );
  expect(reasons.filter((reason) => !notRunBlocks.includes(reason))).toEqual([]);
  expect(reasons.length).toBeLessThanOrEqual(10);
});

test('each link inside the repository leads to an existing file and heading', () => {
  const broken = documents.flatMap((document) =>
    findLinks(document)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !isValidLink(document, target))
      .map((target) => `${document.path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

function isValidLink(from: MarkdownDocument, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? from.path : normalize(join(dirname(from.path), file));
  if (!existsSync(path)) return false;
  if (anchor === undefined) return true;
  const { headings } = parseDocument(path, readFileSync(path, 'utf8'));
  return headings.map(toAnchor).includes(anchor);
}

test('each command in a document exists, with each of its options', () => {
  const wrong = documents.flatMap((document) => {
    const { path, blocks } = document;
    const typed = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text);
    const lines = [...typed, ...findCodeSpans(document)].flatMap(parseCommandLines);
    return lines.flatMap((words) => {
      const why = findCommandFault(words);
      return why === undefined ? [] : [`${path}: perennial ${words.join(' ')}: ${why}`];
    });
  });
  expect(wrong).toEqual([]);
});

test('each option that a document names alone belongs to a command', () => {
  const wrong = documents
    // CONTRIBUTING.md and docs/benchmarks.md have options of other programs.
    .filter(({ path }) =>
      /README|quick|commands|rules|config|operating|trouble|backup|nodes|import|audit/.test(path),
    )
    .flatMap((document) =>
      findCodeSpans(document)
        .flatMap((span) => /^--[a-z][a-z-]*/.exec(span)?.[0] ?? [])
        .filter((option) => option !== '--no-install' && !isOption(option)) // an option of npx
        .map((option) => `${document.path}: ${option}`),
    );
  expect(wrong).toEqual([]);
});

/** The keys of a configuration, such as `workers.*.every`. A free name is `*`. */
function listKeys(schema: z.core.$ZodType, path: string): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return listKeys(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodRecord) return listKeys(schema.valueType, `${path}.*`);
  if (!(schema instanceof z.ZodObject)) return [path];
  return Object.entries(schema.shape).flatMap(([key, inner]) =>
    listKeys(inner as z.core.$ZodType, path === '' ? key : `${path}.${key}`),
  );
}

test('docs/configuration.md has each key of the configuration', () => {
  const rows = findCodeSpans(findDocument('docs/configuration.md')).map((span) =>
    span.replaceAll(/[A-Z]{3,}/g, '*'),
  );
  expect(listKeys(fileSchema, '').filter((key) => !rows.includes(key))).toEqual([]);
});

const sections = readFileSync('docs/commands.md', 'utf8').split(/^### /m);

test.each(leafCommands.map((leaf) => [leaf.path, leaf] as const))(
  'docs/commands.md has %s with each of its options and an example',
  (path, { options }) => {
    const section = sections.find((text) => new RegExp(`^\`${path}[ \`]`).test(text)) ?? '';
    expect(options.filter((option) => !section.includes(option))).toEqual([]);
    expect(section).toMatch(new RegExp(`\`\`\`sh[\\s\\S]*?perennial ${path}\\b`));
  },
);

test('the checks of documents find planted faults', () => {
  expect(findCommandFault(['customer', 'topup', '1'])).toBe('there is no command "topup"');
  expect(findCommandFault(['run', 'auto-renewal', '--dryrun'])).toBe('"run" has no --dryrun');
  expect(parseCommandLines('x=$(npx --no-install perennial plan list --json | head)')).toEqual([
    ['plan', 'list', '--json'],
  ]);
  expect(isValidLink(findDocument('README.md'), 'docs/nowhere.md')).toBe(false);
  expect(isValidLink(findDocument('README.md'), 'docs/commands.md#nothing')).toBe(false);
  expect(() => parseConfig('databse: x', 'the block')).toThrow(/databse/);
});
