import { startEmbeddedNode } from '../../src/xray/embedded/node.ts';
import type { UserProtocol } from '../../src/xray/port.ts';
import {
  createContractInbounds,
  createServerConfig,
  createXrayProcess,
  findXrayOrSkip,
  freePort,
} from '../../testbed/real-xray.ts';

// Two nodes that must behave alike: the embedded node, and a real Xray if the machine has one.

export interface ContractNode {
  readonly title: string;
  /** The reason why the machine has none. */
  readonly missing?: string;
  start(): Promise<RunningNode>;
}

export interface RunningNode {
  readonly api: string;
  /** Ends the node like SIGKILL. */
  kill(): Promise<void>;
  /** Resolves when the process has exited by itself. */
  ended(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Managed inbounds of the contract. `vless-b` and `door` exist too. */
export const managedInbounds: readonly (readonly [tag: string, protocol: UserProtocol])[] = [
  ['vless-a', 'vless'],
  ['vmess-a', 'vmess'],
  ['trojan-a', 'trojan'],
];

const embeddedNode: ContractNode = {
  title: 'the embedded node',
  async start() {
    const node = await startEmbeddedNode({
      inbounds: [
        ...managedInbounds.map(([tag, protocol]) => ({ tag, protocol })),
        { tag: 'vless-b', protocol: 'vless' },
        { tag: 'door', protocol: 'door' },
      ],
    });
    return {
      api: node.api,
      kill: async () => node.crash(),
      async ended() {
        if (node.isRunning()) throw new Error('the node still runs');
      },
      restart: () => node.restart(),
      stop: async () => node.stop(),
    };
  },
};

function createRealNode(path: string): ContractNode {
  return {
    title: 'a real Xray',
    async start() {
      const api = `127.0.0.1:${await freePort()}`;
      const process = createXrayProcess(
        path,
        createServerConfig(api, await createContractInbounds()),
      );
      await process.start();
      return {
        api,
        kill: () => process.kill(),
        ended: () => process.ended(),
        async restart() {
          await process.kill();
          await process.start();
        },
        stop: () => process.remove(),
      };
    },
  };
}

/** Both nodes. Without a real Xray, the reason is printed on standard error. */
export function listContractNodes(tests: string): readonly ContractNode[] {
  const path = findXrayOrSkip(tests);
  if (path !== undefined) return [embeddedNode, createRealNode(path)];
  return [embeddedNode, { ...createRealNode('xray'), missing: 'no real Xray' }];
}
