import { Readable } from 'node:stream';
import nodemailer from 'nodemailer';
import { foreignText } from '../../../kernel/foreign-text.ts';
import { secondMs } from '../../../kernel/instant.ts';
import { timeoutSignal } from '../../../kernel/timer.ts';
import type { Channel, Message, SendOutcome } from '../channel.ts';

// Messages by SMTP, for alarms.
//
// A mail server accepts a message with its answer after the last line. A refusal before that means
// `not_sent`. A connection that breaks after the start of the message leaves doubt.

export interface EmailSettings {
  /** `smtp://user:password@host:587` or `smtps://…` */
  readonly url: string;
  readonly from: string;
  readonly admins: readonly string[];
  readonly perSecond: number;
  readonly deadlineMs?: number;
}

const sendTimeoutMs = 20 * secondMs;

/** An error of nodemailer: the answer of the server, if any, and the command that it answers. */
interface SmtpError extends Error {
  readonly responseCode?: number;
  readonly command?: string;
}

/**
 * @param wasWritten whether the message was started: nodemailer reads it once the session is open
 */
function toEmailOutcome(error: SmtpError, wasWritten: boolean): SendOutcome {
  const { responseCode = 0, command = '', message } = error;
  const detail = { error: message };
  if (responseCode >= 500 && command === 'RCPT TO') return { is: 'unreachable', ...detail };
  // An answer to the message itself: a permanent or temporary refusal. It was not sent.
  if (command === 'DATA' && responseCode >= 500) return { is: 'refused', ...detail };
  if (responseCode >= 400) return { is: 'not_sent', ...detail };
  return { is: wasWritten ? 'uncertain' : 'not_sent', ...detail };
}

const formatBody = ({ plain, buttons }: Message): string => {
  const links = buttons.flat().flatMap((button) => ('url' in button ? [button] : []));
  return [plain, ...links.map(({ text, url }) => `${text}: ${url}`)].join('\n\n');
};

export function openEmail(settings: EmailSettings): Channel {
  const { url, from, admins, perSecond, deadlineMs = sendTimeoutMs } = settings;
  const { username, host, password } = new URL(url);
  const secret = decodeURIComponent(password);
  const redact = (text: string) =>
    foreignText(secret === '' ? text : text.replaceAll(secret, '***'));
  /** A separate connection for each message. Alarms are few, and a stalled one ends alone. */
  const createTransport = () =>
    nodemailer.createTransport({
      url,
      connectionTimeout: deadlineMs,
      greetingTimeout: deadlineMs,
      socketTimeout: deadlineMs,
    });
  const runAbortable = async <T>(
    signal: AbortSignal,
    work: Promise<T>,
    close: () => void,
  ): Promise<T> => {
    const aborted = new Promise<never>((_, reject) => {
      const rejectAborted = () => reject(new Error('no answer in time'));
      if (signal.aborted) rejectAborted();
      else signal.addEventListener('abort', rejectAborted, { once: true });
    });
    return Promise.race([work, aborted]).finally(close);
  };
  const withDeadline = (signal: AbortSignal) =>
    AbortSignal.any([signal, timeoutSignal(deadlineMs)]);
  return {
    name: 'email',
    servedChannel: 'email',
    exclusive: false,
    id: `email:${username === '' ? '' : `${decodeURIComponent(username)}@`}${host}`,
    admins,
    perSecond,
    gapMs: 0,
    catchUp: 2,
    async send(to, message, signal) {
      const transport = createTransport();
      let wasWritten = false;
      const body = Readable.from(
        (function* () {
          wasWritten = true;
          yield formatBody(message);
        })(),
        { objectMode: false },
      );
      try {
        const { subject } = message;
        const mail = { from, to, subject, text: body };
        await runAbortable(withDeadline(signal), transport.sendMail(mail), () => transport.close());
        return { is: 'sent', messageId: null };
      } catch (error) {
        const outcome = toEmailOutcome(error as SmtpError, wasWritten);
        return 'error' in outcome ? { ...outcome, error: redact(outcome.error) } : outcome;
      }
    },
    async checkHealth(signal) {
      const transport = createTransport();
      try {
        await runAbortable(withDeadline(signal), transport.verify(), () => transport.close());
        return undefined;
      } catch (error) {
        return { is: 'not_sent', error: redact((error as Error).message) };
      }
    },
    close: () => undefined,
  };
}
