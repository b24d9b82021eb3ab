import { openBooks, openPool } from '../src/db/connect.ts';
import { openServer } from '../src/http/server.ts';
import { openLog } from '../src/log.ts';
import { createToken } from '../src/tokens/store.ts';

// The API as a process of its own, as `perennial start --role api` is: says where it answers, and
// its token; ends when its parent does.

const [, , url] = process.argv as [string, string, string];
const db = openBooks(openPool(url, { prepared: true }));
const server = await openServer({ db, url, log: openLog('warn'), currency: 'RUB' });
const address = await server.listen({ host: '127.0.0.1', port: 0 });
const order = { name: 'bench', scopes: ['admin'] as const, lastsMs: undefined };
const { token } = await createToken(db, order, 'bench');
process.on('disconnect', () => process.exit(0));
process.send?.({ address, token });
