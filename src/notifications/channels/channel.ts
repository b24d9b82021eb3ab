// A channel for messages. One courier over all replicas delivers for each channel
// (`workers/deliver-notifications`).

/** A message in all forms that a channel may need. */
export interface Message {
  readonly html: string;
  readonly plain: string;
  readonly subject: string;
  /** False: only `plain` is sent, because the gateway refused the formatted message. */
  readonly formatted: boolean;
  /** In rows. */
  readonly buttons: readonly (readonly MessageButton[])[];
  /** Arrives without a sound. */
  readonly silent: boolean;
}

export type MessageButton =
  | { readonly text: string; readonly url: string }
  | { readonly text: string; readonly callbackData: string };

/**
 * The outcome of a send. `not_sent` means that no recipient can have read it. Every doubt is
 * `uncertain`.
 */
export type SendOutcome =
  | { readonly is: 'sent'; readonly messageId: bigint | null }
  /** Nothing was written, or the gateway accepts nothing from us: certainly not sent. */
  | { readonly is: 'not_sent'; readonly error: string }
  /** Lost after the request was written, or an unclear answer: it may have arrived. */
  | { readonly is: 'uncertain'; readonly error: string }
  | { readonly is: 'throttled'; readonly retryAfterMs: number }
  /** No message reaches this recipient. */
  | { readonly is: 'unreachable'; readonly error: string }
  /** The gateway refuses this message, and would refuse it again. */
  | { readonly is: 'refused'; readonly error: string };

/** Why a gateway accepts nothing. */
export type ChannelDown = Extract<SendOutcome, { is: 'not_sent' | 'throttled' }>;

export interface Channel {
  /** The name in the row of a notification that was sent by this channel. */
  readonly name: string;
  /** The channel whose notifications it takes. A fallback takes those of another channel. */
  readonly servedChannel: string;
  /** The bot, mailbox or log as `name:account`. This is the id of its courier, and not secret. */
  readonly id: string;
  /** True if a database has one account of this channel: a customer's chat belongs to one bot. */
  readonly exclusive: boolean;
  /** The admins who receive alarms by this channel. */
  readonly admins: readonly string[];
  readonly perSecond: number;
  /** The least time between two messages to one recipient. */
  readonly gapMs: number;
  /** Messages beyond `perSecond` in one second, which make up for late ones. */
  readonly catchUp: number;
  /** Never rejects. After an abort it returns the outcome at once. */
  send(to: string, message: Message, signal: AbortSignal): Promise<SendOutcome>;
  /** Whether the gateway accepts messages, without a send; undefined: yes. Never rejects. */
  checkHealth(signal: AbortSignal): Promise<ChannelDown | undefined>;
  close(): void;
}
