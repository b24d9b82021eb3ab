import { isTest } from '../support/source-files.ts';
import type { Rule } from './rules.ts';

// Promise 8: code that holds a transaction has no access to a network.

const gatewayFile = /^xray\/(?:grpc|embedded)\/|^notifications\/channels\/|^http\//;

/** The text of each call that runs inside a transaction, to its last parenthesis. */
function insideTransactions(code: string): string[] {
  return [...code.matchAll(/\binTransaction\(|\.transaction\(\)/g)].map(({ index }) => {
    let depth = 0;
    for (let at = index; at < code.length; at += 1) {
      if (code[at] === '(') depth += 1;
      if (code[at] === ')') depth -= 1;
      // The call that follows `.transaction()` belongs to it.
      if (code[at] === ')' && depth === 0 && code.slice(at + 1).trimStart()[0] !== '.') {
        return code.slice(index, at + 1);
      }
    }
    return code.slice(index);
  });
}

/** Names of values that can reach a network. */
const onNetwork =
  /\b(?:api|connect)\b|\b(?:gateway|channel|courier|bot)\.\w+\(|\b(?:fetch|answerOf|send|deliver)\(/;

export const transactionRules: readonly Rule[] = [
  {
    title: 'a store imports no gateway, because it runs inside a transaction',
    find: (sources) =>
      sources
        .filter(({ path }) => !isTest(path))
        .filter(({ path }) => /(^|[/-])store\.ts$|^subscription\/|^outbox\/outbox\.ts$/.test(path))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ target, typeOnly }) => !typeOnly && gatewayFile.test(target))
            .map(({ target }) => `${path}: imports ${target}`),
        ),
    planted: [
      ['workers/a/store.ts', "import { connectNode } from '../../xray/grpc/client.ts';"],
      [
        'subscription/a.ts',
        "import { telegram } from '../notifications/channels/telegram/send.ts';",
      ],
    ],
  },
  {
    title: 'the text inside a transaction names no gateway',
    find: (sources) =>
      sources
        .filter(({ path }) => !isTest(path))
        .filter(({ path }) => !path.startsWith('db/'))
        .flatMap(({ path, code }) =>
          insideTransactions(code)
            .filter((text) => onNetwork.test(text))
            .map((text) => `${path}: ${onNetwork.exec(text)?.[0]} in ${text.slice(0, 60)}`),
        ),
    planted: [
      ['workers/a/worker.ts', 'await inTransaction(db, async (tx) => api.addUser(tag, user));'],
      ['cli/a.ts', 'await db.transaction().execute(async (tx) => { await bot.send(text); });'],
    ],
  },
];
