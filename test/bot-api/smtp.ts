import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';

// A small mail server for tests: as much of SMTP as it takes to be handed a message, and accidents.

/** Where it breaks off or refuses. */
export type MailFate =
  | 'serve'
  | 'greet_reset'
  | 'rcpt_reset'
  | 'data_reset'
  /** The message is taken; the connection breaks before the server says so. */
  | 'lose'
  | { readonly at: 'RCPT' | 'DATA' | 'END' | 'MAIL'; readonly answer: string };

export interface MailServer extends Disposable {
  readonly url: string;
  readonly mails: { readonly to: string; readonly source: string }[];
  fate: MailFate;
}

export async function startMailServer(): Promise<MailServer> {
  const mails: { to: string; source: string }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    talk(socket);
  });

  function talk(socket: Socket): void {
    let [pending, to, source] = ['', '', ''];
    let inData = false;
    const say = (line: string) => void socket.write(`${line}\r\n`);
    const { fate } = mail;
    const told = (at: string) =>
      typeof fate === 'object' && fate.at === at ? fate.answer : undefined;
    if (fate === 'greet_reset') return void socket.resetAndDestroy();
    say('220 mail.example.net ESMTP');
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      pending += chunk;
      for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 2);
        if (inData) takeLine(line);
        else hear(line);
      }
    });
    function takeLine(line: string) {
      if (line !== '.') {
        source += `${line}\n`;
        if (fate === 'data_reset') socket.resetAndDestroy();
        return;
      }
      inData = false;
      const refusal = told('END');
      if (refusal !== undefined) return say(refusal);
      mails.push({ to, source });
      if (fate === 'lose') return void socket.resetAndDestroy();
      say('250 2.0.0 taken');
    }
    function hear(line: string) {
      const word = line.split(/[ :]/)[0]?.toUpperCase() ?? '';
      if (word === 'EHLO') return say('250 mail.example.net');
      if (word === 'MAIL') return say(told('MAIL') ?? '250 ok');
      if (word === 'RCPT') {
        if (fate === 'rcpt_reset') return void socket.resetAndDestroy();
        to = /<(.*)>/.exec(line)?.[1] ?? '';
        return say(told('RCPT') ?? '250 ok');
      }
      if (word === 'DATA') {
        const refusal = told('DATA');
        inData = refusal === undefined;
        return say(refusal ?? '354 go on');
      }
      if (word === 'QUIT') return void socket.end('221 bye\r\n');
      say('250 ok');
    }
  }

  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  const mail: MailServer = {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    fate: 'serve',
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return mail;
}
