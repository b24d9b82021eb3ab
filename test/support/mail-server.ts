import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';

// A small SMTP server for tests, with faults.

/** The point at which the server closes the connection or refuses. */
export type MailOutcome =
  | 'serve'
  | 'greet_reset'
  | 'rcpt_reset'
  | 'data_reset'
  /** The message is accepted, and the connection breaks before the confirmation. */
  | 'lose'
  | { readonly at: 'RCPT' | 'DATA' | 'END' | 'MAIL'; readonly answer: string };

export interface MailServer extends Disposable {
  readonly url: string;
  readonly mails: { readonly to: string; readonly source: string }[];
  outcome: MailOutcome;
}

export async function startMailServer(): Promise<MailServer> {
  const mails: { to: string; source: string }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    serveSocket(socket);
  });

  function serveSocket(socket: Socket): void {
    let [pending, to, source] = ['', '', ''];
    let inData = false;
    const reply = (line: string) => void socket.write(`${line}\r\n`);
    const { outcome } = mail;
    const refusalAt = (at: string) =>
      typeof outcome === 'object' && outcome.at === at ? outcome.answer : undefined;
    if (outcome === 'greet_reset') return void socket.resetAndDestroy();
    reply('220 mail.example.net ESMTP');
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      pending += chunk;
      for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 2);
        if (inData) handleDataLine(line);
        else handleCommand(line);
      }
    });
    function handleDataLine(line: string) {
      if (line !== '.') {
        source += `${line}\n`;
        if (outcome === 'data_reset') socket.resetAndDestroy();
        return;
      }
      inData = false;
      const refusal = refusalAt('END');
      if (refusal !== undefined) return reply(refusal);
      mails.push({ to, source });
      if (outcome === 'lose') return void socket.resetAndDestroy();
      reply('250 2.0.0 taken');
    }
    function handleCommand(line: string) {
      const verb = line.split(/[ :]/)[0]?.toUpperCase() ?? '';
      if (verb === 'EHLO') return reply('250 mail.example.net');
      if (verb === 'MAIL') return reply(refusalAt('MAIL') ?? '250 ok');
      if (verb === 'RCPT') {
        if (outcome === 'rcpt_reset') return void socket.resetAndDestroy();
        to = /<(.*)>/.exec(line)?.[1] ?? '';
        return reply(refusalAt('RCPT') ?? '250 ok');
      }
      if (verb === 'DATA') {
        const refusal = refusalAt('DATA');
        inData = refusal === undefined;
        return reply(refusal ?? '354 continue');
      }
      if (verb === 'QUIT') return void socket.end('221 bye\r\n');
      reply('250 ok');
    }
  }

  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  const mail: MailServer = {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    outcome: 'serve',
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return mail;
}
