// What a way out for messages is. A courier (workers/deliver-notifications) works each of them, one
// courier over all replicas.

/** A message in all the forms that a channel may need. */
export interface Message {
  readonly html: string;
  readonly plain: string;
  readonly subject: string;
  /** False: only `plain` is sent, because the gateway refused the formatted message. */
  readonly formatted: boolean;
  /** Rows of buttons. */
  readonly buttons: readonly (readonly MessageButton[])[];
  /** Arrives without a sound. */
  readonly silent: boolean;
}

export type MessageButton =
  | { readonly text: string; readonly url: string }
  | { readonly text: string; readonly callbackData: string };

/**
 * What became of a send. All doubt is `uncertain`: only what can't have been read by anybody is
 * `not_sent`.
 */
export type SendOutcome =
  | { readonly is: 'sent'; readonly messageId: bigint | null }
  /** Nothing was written, or the gateway takes nothing from us: certainly not sent. */
  | { readonly is: 'not_sent'; readonly error: string }
  /** Lost after the request was written, or an answer that doesn't say: it may have arrived. */
  | { readonly is: 'uncertain'; readonly error: string }
  | { readonly is: 'throttled'; readonly retryAfterMs: number }
  /** Nothing gets through to this recipient. */
  | { readonly is: 'unreachable'; readonly error: string }
  /** The message as it stands is refused, and will be again. */
  | { readonly is: 'refused'; readonly error: string };

/** Why a gateway takes nothing. */
export type ChannelDown = Extract<SendOutcome, { is: 'not_sent' | 'throttled' }>;

export interface Channel {
  /** As it stands in the row of a notice that went by it. */
  readonly name: string;
  /** The notices that it takes, by their channel: another's, where it stands in for that. */
  readonly servedChannel: string;
  /** Which bot, mailbox or log, `name:account`: its courier goes by this name. No secret. */
  readonly id: string;
  /** True if a database has one account of this channel: a customer's chat belongs to one bot. */
  readonly exclusive: boolean;
  /** Whom of the admins it tells alarms. */
  readonly admins: readonly string[];
  readonly perSecond: number;
  /** Between two messages to one recipient. */
  readonly gapMs: number;
  /** Messages beyond `perSecond` that a second may hold, to make up for late ones. */
  readonly catchUp: number;
  /** Never rejects. Aborted, it says what became of it at once. */
  send(to: string, message: Message, signal: AbortSignal): Promise<SendOutcome>;
  /** Whether anything would be taken, without sending; undefined: yes. Never rejects. */
  checkHealth(signal: AbortSignal): Promise<ChannelDown | undefined>;
  close(): void;
}
