import type { Rule } from './rules.ts';
import { isTest } from './source.ts';

// Promise 8, as far as a machine can tell: whoever holds a transaction has no way to a network.

const gatewayFilePattern = /^xray\/(?:grpc|embedded)\/|^notify\/channels\/|^http\//;

/** What is called by one who holds a transaction: the text of each, to its last parenthesis. */
function findTransactionBodies(code: string): string[] {
  return [...code.matchAll(/\binTransaction\(|\.transaction\(\)/g)].map(({ index }) => {
    let depth = 0;
    for (let at = index; at < code.length; at += 1) {
      if (code[at] === '(') depth += 1;
      if (code[at] === ')') depth -= 1;
      // `.transaction()` is followed by what it is to do.
      if (code[at] === ')' && depth === 0 && code.slice(at + 1).trimStart()[0] !== '.') {
        return code.slice(index, at + 1);
      }
    }
    return code.slice(index);
  });
}

/** How the program calls whoever is on a network, or would hand him on. */
const networkCallPattern =
  /\b(?:api|connect)\b|\b(?:gateway|channel|courier|bot)\.\w+\(|\b(?:fetch|answerOf|send|deliver)\(/;

export const transactionRules: readonly Rule[] = [
  {
    title: 'a store knows no gateway: what it does, it does in a transaction',
    broken: (sources) =>
      sources
        .filter(({ path }) => !isTest(path))
        .filter(({ path }) => /(^|[/-])store\.ts$|^subscription\/|^notify\/outbox\.ts$/.test(path))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ target, typeOnly }) => !typeOnly && gatewayFilePattern.test(target))
            .map(({ target }) => `${path}: imports ${target}`),
        ),
    planted: [
      ['workers/a/store.ts', "import { connectNode } from '../../xray/grpc/client.ts';"],
      ['subscription/a.ts', "import { telegram } from '../notify/channels/telegram/send.ts';"],
    ],
  },
  {
    title: 'nothing on a network is named inside a transaction',
    broken: (sources) =>
      sources
        .filter(({ path }) => !isTest(path))
        .filter(({ path }) => !path.startsWith('db/'))
        .flatMap(({ path, code }) =>
          findTransactionBodies(code)
            .filter((text) => networkCallPattern.test(text))
            .map(
              (text) => `${path}: ${networkCallPattern.exec(text)?.[0]} in ${text.slice(0, 60)}`,
            ),
        ),
    planted: [
      ['workers/a/worker.ts', 'await inTransaction(db, async (tx) => api.addUser(tag, user));'],
      ['cli/a.ts', 'await db.transaction().execute(async (tx) => { await bot.say(text); });'],
    ],
  },
];
