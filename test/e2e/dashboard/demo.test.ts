import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { hasChromium, openBrowser, openTab } from '../../support/browser.ts';
import { root } from '../../support/repository.ts';

// `npm start` for a newcomer with a browser: a link in the output, and the dashboard behind it.

const folder = mkdtempSync(join(tmpdir(), 'perennial-demo-page-'));
chmodSync(folder, 0o711); // as root, the server has another account
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface RunningDemo {
  readonly demo: ChildProcess;
  readonly link: string;
}

async function startDemo(...args: string[]): Promise<RunningDemo> {
  const env = { ...process.env, PERENNIAL_DATA_DIR: join(folder, 'data'), PERENNIAL_CONFIG: '' };
  const demo = spawn(process.execPath, ['bin/perennial.js', 'demo', '--customers', '50', ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    if (demo.exitCode !== null) return;
    demo.kill('SIGINT');
    await once(demo, 'exit');
  });
  for await (const line of createInterface({ input: demo.stdout as NodeJS.ReadableStream })) {
    if (line.startsWith('http://')) return { demo, link: line };
  }
  throw new Error('the demo printed no link');
}

test.runIf(hasChromium())(
  'a newcomer sees the dashboard of the demo within a minute, and the link signs in once',
  async () => {
    const startedMs = performance.now();
    const { demo, link } = await startDemo();
    await using browser = await openBrowser();
    await using tab = await openTab(browser);
    // The page asks for a session before it has one.
    tab.allow(/401/);
    await tab.page.goto(link);
    await tab.page.getByRole('navigation').first().waitFor();
    expect(performance.now() - startedMs).toBeLessThan(60_000);
    expect(tab.page.url()).not.toContain('prl_');
    const [cookie] = await tab.context.cookies();
    expect(cookie).toMatchObject({
      name: '__Host-perennial',
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
      path: '/',
    });
    expect(await tab.page.evaluate('document.cookie')).toBe('');
    const text = await tab.page.evaluate('fetch("/ui/session").then((answer) => answer.text())');
    expect(JSON.parse(String(text))).toMatchObject({ name: 'demo', scope: 'admin', is_demo: true });
    await using other = await openTab(browser);
    other.allow(/401/);
    await other.page.goto(link);
    await other.page.getByRole('alert').waitFor();
    tab.allow(/ERR_/);
    demo.kill('SIGINT');
    const [code] = await once(demo, 'exit');
    expect(code).toBe(0);
  },
  180_000,
);

test('a demo takes a free port if another program has 8080', async () => {
  const blocker = createServer();
  const isBlocked = await listenOn(blocker, 8_080);
  onTestFinished(() => void (isBlocked && blocker.close()));
  const { link } = await startDemo();
  expect(new URL(link).port).not.toBe('8080');
  expect((await fetch(new URL('/ui', link))).status).toBe(200);
}, 120_000);

/** False if another program has the port, which also serves the test. */
async function listenOn(server: Server, port: number): Promise<boolean> {
  server.listen(port, '127.0.0.1');
  const [event] = await Promise.race([
    once(server, 'listening').then(() => ['listening']),
    once(server, 'error').catch((error) => [error]),
  ]);
  return event === 'listening';
}
