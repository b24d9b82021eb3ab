import { createHash } from 'node:crypto';
import { Api, type ApiClientOptions } from 'grammy';
import { foreignText } from '../../../kernel/foreign-text.ts';
import { secondMs } from '../../../kernel/instant.ts';
import { timeoutSignal } from '../../../kernel/timer.ts';
import type { Channel, Message, MessageButton } from '../channel.ts';
import {
  type HttpClient,
  type HttpRequest,
  NoResponseError,
  openHttpClient,
} from './http-client.ts';
import { toTelegramOutcome } from './outcome.ts';

// The channel of a Telegram bot, by grammY's `Api`.
//
// Its plugins for retries and pace are not used, because they send again what may have arrived.
// This code never calls `getUpdates` or `setWebhook`, because the operator's own bot uses the same
// token.

export interface TelegramSettings {
  readonly token: string;
  readonly api: string;
  readonly admins: readonly number[];
  readonly perSecond: number;
  /** Telegram accepts one message per second for a chat. */
  readonly gapMs?: number;
  readonly deadlineMs?: number;
}

/** After this time the answer is abandoned, and the outcome is `uncertain`. */
const sendTimeoutMs = 10 * secondMs;

/**
 * At most a quarter of a second's sends, and at most the 30 messages per second that Telegram
 * accepts.
 */
const computeCatchUp = (perSecond: number): number =>
  Math.max(1, Math.floor(Math.min(perSecond / 4, 30 - perSecond)));

type Fetch = NonNullable<ApiClientOptions['fetch']>;

/** The part of fetch that grammY needs: a JSON body or a failure. */
function createFetch(client: HttpClient): Fetch {
  const fetch = async (url: unknown, init: unknown) => {
    const { status, text } = await client.send(String(url), init as HttpRequest);
    try {
      const body: unknown = JSON.parse(text);
      return { json: async () => body };
    } catch {
      // The answer comes from a proxy before the Bot API, which may have forwarded the request.
      throw new NoResponseError(`answered ${status}, and not in JSON`, true);
    }
  };
  return fetch as unknown as Fetch;
}

/** The number before the colon, which is the Telegram id of the bot. Else a hash of the token. */
function toBotId(token: string): string {
  const [, id] = /^(\d+):/.exec(token) ?? [];
  return id ?? createHash('sha256').update(token).digest('hex').slice(0, 12);
}

/**
 * Removes the token and its secret half from a text of a gateway. The text is shortened last,
 * because a token cut in half would not be recognized.
 */
function createRedactor(token: string): (text: string) => string {
  const parts = [token, token.split(':').at(-1) ?? ''].filter((part) => part.length > 5);
  return (text) =>
    foreignText(parts.reduce((redacted, part) => redacted.replaceAll(part, '***'), text));
}

function toInlineButton(button: MessageButton) {
  return 'url' in button
    ? { text: button.text, url: button.url }
    : { text: button.text, callback_data: button.callbackData };
}

/** Telegram counts characters of a message in UTF-16. */
const textMax = 4_096;

const formatBody = ({ formatted, html, plain }: Message): string =>
  formatted ? html : plain.slice(0, textMax).toWellFormed();

function toSendOptions({ buttons, silent, formatted }: Message) {
  return {
    ...(formatted ? { parse_mode: 'HTML' as const } : {}),
    link_preview_options: { is_disabled: true },
    ...(silent ? { disable_notification: true } : {}),
    ...(buttons.length === 0 || !formatted
      ? {}
      : { reply_markup: { inline_keyboard: buttons.map((row) => row.map(toInlineButton)) } }),
  };
}

export function openTelegram(settings: TelegramSettings): Channel {
  const { token, deadlineMs = sendTimeoutMs } = settings;
  const root = settings.api.replace(/\/+$/, '');
  const client = openHttpClient(root);
  const api = new Api(token, { apiRoot: root, fetch: createFetch(client) });
  const redact = createRedactor(token);
  // grammY's types expect another AbortSignal.
  const withDeadline = (signal: AbortSignal) =>
    AbortSignal.any([signal, timeoutSignal(deadlineMs)]) as never;
  return {
    name: 'telegram',
    servedChannel: 'telegram',
    exclusive: true,
    id: `telegram:${toBotId(token)}`,
    admins: settings.admins.map(String),
    perSecond: settings.perSecond,
    gapMs: settings.gapMs ?? secondMs,
    catchUp: computeCatchUp(settings.perSecond),
    async send(to, message, signal) {
      try {
        const sent = await api.sendMessage(
          to,
          formatBody(message),
          toSendOptions(message),
          withDeadline(signal),
        );
        return { is: 'sent', messageId: BigInt(sent.message_id) };
      } catch (error) {
        return toTelegramOutcome(error, redact);
      }
    },
    async checkHealth(signal) {
      try {
        await api.getMe(withDeadline(signal));
        return undefined;
      } catch (error) {
        const outcome = toTelegramOutcome(error, redact);
        if (outcome.is === 'throttled') return outcome;
        return { is: 'not_sent', error: 'error' in outcome ? outcome.error : 'no answer' };
      }
    },
    close: () => client.close(),
  };
}
