import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

// A real Xray on loopback: `XRAY_BIN`, else `xray` on the PATH.

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The program, or the reason why it is absent. With REQUIRE_XRAY=1 its absence is a failure. */
export function findXray(env = process.env): { path: string } | { missing: string } {
  const named = env.XRAY_BIN;
  const candidates = named
    ? [named]
    : (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'xray'));
  const path = candidates.find(isExecutable);
  if (path !== undefined) return { path };
  const missing = named
    ? `no real Xray: XRAY_BIN=${named} can't be run`
    : 'no real Xray: XRAY_BIN is not set, and no xray is on the PATH';
  if (env.REQUIRE_XRAY === '1') throw new Error(`${missing}, and REQUIRE_XRAY=1 requires one`);
  return { missing };
}

/** The program for tests that require one. If it is absent, prints the reason on standard error. */
export function findXrayOrSkip(tests: string): string | undefined {
  const found = findXray();
  if ('path' in found) return found.path;
  process.stderr.write(`skipped: ${tests}: ${found.missing}\n`);
  return undefined;
}

export function readVersion(path: string): string {
  return /^Xray (\S+)/.exec(execFileSync(path, ['version'], { encoding: 'utf8' }))?.[1] ?? '?';
}

/** A port of 127.0.0.1 without a listener. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export interface XrayProcess {
  start(): Promise<void>;
  /** Resolves when the process has ended, by itself or by `kill`. */
  ended(): Promise<void>;
  kill(): Promise<void>;
  /** Stops the process by SIGKILL and removes its folder. */
  remove(): Promise<void>;
}

/** A process with this configuration that is not started yet. */
export function createXrayProcess(path: string, config: object): XrayProcess {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-xray-'));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  let child: ChildProcess | undefined;
  // An interrupted test leaves no server behind.
  const atExit = (): void => {
    child?.kill('SIGKILL');
  };
  process.once('exit', atExit);
  const ended = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await once(child, 'exit');
  };
  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await ended();
  };
  return {
    ended,
    kill,
    async start() {
      child = spawn(path, ['run', '-c', file], { stdio: ['ignore', 'pipe', 'ignore'] });
      const output: string[] = [];
      // All inbounds listen when this line appears (docs/xray-facts.md, "Test nodes").
      for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
        output.push(line);
        if (/Xray \S+ started/.test(line)) {
          child.stdout?.resume();
          return;
        }
      }
      throw new Error(`Xray did not start:\n${output.join('\n')}`);
    },
    async remove() {
      await kill();
      process.off('exit', atExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The inbounds of the contract in Xray's JSON, each on a separate port. */
export async function createContractInbounds(): Promise<readonly object[]> {
  const at = async (tag: string, protocol: string, settings: object) => ({
    tag,
    listen: '127.0.0.1',
    port: await freePort(),
    protocol,
    settings,
  });
  return [
    await at('vless-a', 'vless', { clients: [], decryption: 'none' }),
    await at('vless-b', 'vless', { clients: [], decryption: 'none' }),
    await at('vmess-a', 'vmess', { clients: [] }),
    await at('trojan-a', 'trojan', { clients: [] }),
    await at('door', 'dokodemo-door', { address: '127.0.0.1' }),
  ];
}

/**
 * A server with its API on `api` (docs/xray-facts.md). `finalRules` is required because loopback is
 * a private target.
 */
export function createServerConfig(
  api: string,
  inbounds: readonly object[],
  services: readonly string[] = ['HandlerService', 'StatsService'],
): object {
  return {
    log: { loglevel: 'warning' },
    stats: {},
    api: { tag: 'api', listen: api, services },
    policy: { levels: { 0: { statsUserUplink: true, statsUserDownlink: true } } },
    inbounds,
    outbounds: [
      { tag: 'direct', protocol: 'freedom', settings: { finalRules: [{ action: 'allow' }] } },
    ],
  };
}
