import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../testbed/real-xray.ts';

// A real PgBouncer in front of a test database, if the machine has one: `PGBOUNCER_BIN`, else
// `pgbouncer` on the PATH.

const binary = process.env.PGBOUNCER_BIN ?? 'pgbouncer';

/** True if a real PgBouncer is installed. With REQUIRE_PGBOUNCER=1 its absence is a failure. */
export function hasPgbouncer(): boolean {
  const found = spawnSync(binary, ['--version']).status === 0;
  if (!found && process.env.REQUIRE_PGBOUNCER === '1') throw new Error(`${binary}: cannot be run`);
  if (!found) process.stderr.write(`skipped: tests with a real PgBouncer: no ${binary}\n`);
  return found;
}

/** @param mode `pool_mode`. @returns the URL of the same database through the pooler */
export async function startPgbouncer(
  url: string,
  mode: 'session' | 'transaction',
  extraSettings = '',
): Promise<{ readonly url: string; readonly [Symbol.asyncDispose]: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-pgbouncer-'));
  const target = new URL(url);
  const { hostname, port: serverPort, username } = target;
  const password = decodeURIComponent(target.password);
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    `[databases]
* = host=${hostname} port=${serverPort} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
ignore_startup_parameters = options,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits
${extraSettings}
`,
  );
  // PgBouncer refuses to run as root.
  await chmod(folder, 0o755);
  const asUser = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = spawn(binary, [file], { ...asUser, stdio: ['ignore', 'pipe', 'pipe'] });
  const ready = Promise.withResolvers<void>();
  let output = '';
  const read = (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes('process up')) ready.resolve();
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  child.on('exit', () => ready.reject(new Error(`pgbouncer ended: ${output}`)));
  await ready.promise;
  target.port = String(port);
  target.password = '';
  return {
    url: target.href,
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}
