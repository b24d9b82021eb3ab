import { openDatabase, openPool } from '../../../../src/db/connect.ts';
import { startKeepers } from '../../../../src/workers/keep-node/keepers.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import type { NodeApi } from '../../../../src/xray/port.ts';

// A process that keeps the nodes of a database: `keepers-process.ts URL [ADDS]`. It writes its pid
// and the log of its keepers, and loses its nodes if it is silent for 3 s. After ADDS adds it stops
// itself (SIGSTOP), so that the moment does not depend on the speed of the machine.

const [url = '', adds] = process.argv.slice(2);
const writeLine = (_: object, message: string): void => void process.stdout.write(`${message}\n`);
process.stdout.write(`pid ${process.pid}\n`);

let left = adds === undefined ? Number.POSITIVE_INFINITY : Number(adds);
const connect: typeof connectNode = (options) => {
  const node = connectNode(options);
  const addUser: NodeApi['addUser'] = async (...user) => {
    const added = await node.addUser(...user);
    left -= 1;
    if (left === 0) {
      process.stdout.write('stops itself\n');
      process.kill(process.pid, 'SIGSTOP');
    }
    return added;
  };
  return new Proxy(node, {
    get: (of, name) => {
      if (name === 'addUser') return addUser;
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });
};

startKeepers({
  url,
  db: openDatabase(openPool(url)),
  connect,
  log: { debug: writeLine, info: writeLine, warn: writeLine, error: writeLine },
  probeMs: 200,
  pollMs: 200,
  silentMs: 3_000,
});
