import { fileSchema } from '../src/config/schema.ts';
import { openDatabase, openPool } from '../src/db/connect.ts';
import { startApi } from '../src/http/listen.ts';
import { openLog } from '../src/logging/log.ts';
import { createToken } from '../src/tokens/store.ts';

// The API in a separate process, like `perennial start --role api`, with its pools and limits. It
// sends its address and token, and exits with its parent. Standard output has only the figures.

const [, , url] = process.argv as [string, string, string];
const db = openDatabase(openPool(url));
const config = {
  ...{ path: undefined, database: url, dataDir: '', dataDirNamed: false, logLevel: 'warn' },
  file: fileSchema.parse({ http: { port: 0, per_minute: 1_000_000 } }),
};
const { address } = await startApi({ url, config }, openLog('warn', process.stderr));
const tokenRequest = { name: 'bench', scopes: ['admin'] as const, lastsMs: undefined };
const { token } = await createToken(db, tokenRequest, 'bench');
process.on('disconnect', () => process.exit(0));
// Every message asks for the processor time so far.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.((user + system) / 1_000);
});
process.send?.({ address, token });
