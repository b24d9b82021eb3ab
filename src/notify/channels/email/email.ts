import { Readable } from 'node:stream';
import nodemailer from 'nodemailer';
import { foreignText } from '../../../kernel/foreign-text.ts';
import { secondMs } from '../../../kernel/instant.ts';
import { timeoutSignal } from '../../../kernel/timer.ts';
import type { Channel, Message, Outcome } from '../channel.ts';

// Messages by SMTP, for alarms. A mail server takes a message when it says so after the message's
// last line. What it refused before or then, it didn't take; a connection that breaks once the message
// was begun leaves doubt.

export interface EmailSettings {
  /** `smtp://user:password@host:587` or `smtps://…` */
  readonly url: string;
  readonly from: string;
  readonly admins: readonly string[];
  readonly perSecond: number;
  readonly deadlineMs?: number;
}

const sendWithinMs = 20 * secondMs;

/** nodemailer's errors: the server's answer, if there was one, and to which command. */
interface SmtpError extends Error {
  readonly responseCode?: number;
  readonly command?: string;
}

/** @param written whether the message was begun: nodemailer reads it when the conversation stands */
export function outcomeOf(error: SmtpError, written: boolean): Outcome {
  const { responseCode = 0, command = '', message } = error;
  const about = { error: message };
  if (responseCode >= 500 && command === 'RCPT TO') return { is: 'unreachable', ...about };
  // To the message itself: it is refused for good, or not now. Either way it was not taken.
  if (command === 'DATA' && responseCode >= 500) return { is: 'refused', ...about };
  if (responseCode >= 400) return { is: 'not_taken', ...about };
  return { is: written ? 'uncertain' : 'not_taken', ...about };
}

const textOf = ({ plain, buttons }: Message): string => {
  const links = buttons.flat().flatMap((button) => ('url' in button ? [button] : []));
  return [plain, ...links.map(({ text, url }) => `${text}: ${url}`)].join('\n\n');
};

export function openEmail(settings: EmailSettings): Channel {
  const { url, from, admins, perSecond, deadlineMs = sendWithinMs } = settings;
  const { username, host, password } = new URL(url);
  const secret = decodeURIComponent(password);
  const told = (text: string) => foreignText(secret === '' ? text : text.replaceAll(secret, '***'));
  /** A connection of its own for each: alarms are few, and one that stalls is cut off alone. */
  const open = () =>
    nodemailer.createTransport({
      url,
      connectionTimeout: deadlineMs,
      greetingTimeout: deadlineMs,
      socketTimeout: deadlineMs,
    });
  const cutBy = async <T>(signal: AbortSignal, work: Promise<T>, cut: () => void): Promise<T> => {
    const aborted = new Promise<never>((_, reject) => {
      const end = () => reject(new Error('no answer in time'));
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    });
    return Promise.race([work, aborted]).finally(cut);
  };
  const within = (signal: AbortSignal) => AbortSignal.any([signal, timeoutSignal(deadlineMs)]);
  return {
    name: 'email',
    takes: 'email',
    exclusive: false,
    id: `email:${username === '' ? '' : `${decodeURIComponent(username)}@`}${host}`,
    admins,
    perSecond,
    gapMs: 0,
    catchUp: 2,
    async send(to, message, signal) {
      const transport = open();
      let written = false;
      const body = Readable.from(
        (function* () {
          written = true;
          yield textOf(message);
        })(),
        { objectMode: false },
      );
      try {
        const { subject } = message;
        const mail = { from, to, subject, text: body };
        await cutBy(within(signal), transport.sendMail(mail), () => transport.close());
        return { is: 'sent', messageId: null };
      } catch (error) {
        const outcome = outcomeOf(error as SmtpError, written);
        return 'error' in outcome ? { ...outcome, error: told(outcome.error) } : outcome;
      }
    },
    async whyDown(signal) {
      const transport = open();
      try {
        await cutBy(within(signal), transport.verify(), () => transport.close());
        return undefined;
      } catch (error) {
        return { is: 'not_taken', error: told((error as Error).message) };
      }
    },
    close: () => undefined,
  };
}
