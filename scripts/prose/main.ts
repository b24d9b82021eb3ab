import { Command } from 'commander';
import { loadProse } from './files.ts';
import {
  describeExcess,
  hasOpener,
  isLong,
  measureProse,
  type Prose,
  splitSentences,
} from './measure.ts';

// `npm run prose`: figures of plain English for each document and for all comments.

interface Options {
  readonly json?: true;
  readonly sentences?: true;
}

const program = new Command('prose')
  .description('Print figures of plain English for each document and for all comments.')
  .argument(
    '[text...]',
    'documents, as docs/nodes.md, or folders of comments, as "comments of src/db"',
  )
  .option('--json', 'print JSON')
  .option(
    '--sentences',
    'also print each sentence that is too long or begins with who, what, where',
  )
  .parse();
const names = program.args;
const { json, sentences } = program.opts<Options>();

const all = loadProse().filter(({ name }) => names.length === 0 || names.includes(name));
const rows = all.map(({ name, texts }) => ({ text: name, ...measureProse(texts) }));
const formatPercent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const formatLine = ({ text, ...prose }: Prose & { text: string }): string =>
  [
    text.padEnd(36),
    String(prose.sentences).padStart(6),
    prose.words.toFixed(1).padStart(7),
    formatPercent(prose.long).padStart(8),
    formatPercent(prose.openers).padStart(8),
    describeExcess(prose).length > 0 ? '  over a limit' : '',
  ].join('');

if (json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
else {
  process.stdout.write(`${'text'.padEnd(36)} count  words    long openers\n`);
  for (const row of rows) process.stdout.write(`${formatLine(row)}\n`);
}
if (sentences) {
  for (const { name, texts } of all) {
    for (const sentence of texts.flatMap(splitSentences)) {
      if (isLong(sentence) || hasOpener(sentence)) process.stdout.write(`${name}: ${sentence}\n`);
    }
  }
}
process.exitCode = rows.some((row) => describeExcess(row).length > 0) ? 1 : 0;
