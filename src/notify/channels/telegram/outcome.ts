import { GrammyError, HttpError } from 'grammy';
import { dayMs, secondMs } from '../../../kernel/instant.ts';
import type { Outcome } from '../channel.ts';
import { Unanswered } from './exchange.ts';

// What an error of the Bot API means for the message. Telegram tells by the code; only where one
// code means several things, by its words.

/** 400 for a recipient whom the bot can't write to, in the words of the Bot API. */
const nobodyThere = /chat not found|user not found|user is deactivated|PEER_ID_INVALID/i;

/** A proxy in front of the Bot API may drop `parameters`. The description states the time too. */
const stated = /retry after (\d{1,9})/i;
/** Without any statement, the answer to a burst is a few seconds. */
const unstatedMs = 5 * secondMs;
/** A longer wait is an error of the gateway. After a day the courier asks again. */
const waitMaxMs = dayMs;

function retryAfterMs({ description, parameters }: GrammyError): number {
  const text = parameters.retry_after ?? stated.exec(description)?.[1];
  const seconds = Number(text);
  if (text === undefined || !Number.isFinite(seconds)) return unstatedMs;
  return Math.min(waitMaxMs, Math.max(1, Math.ceil(seconds)) * secondMs);
}

/** @param told an error's words without what is secret */
export function outcomeOf(error: unknown, told: (text: string) => string): Outcome {
  if (error instanceof GrammyError) {
    const { error_code: code, description } = error;
    const words = told(`${code} ${description}`);
    if (code === 429) return { is: 'too_many', retryAfterMs: retryAfterMs(error) };
    // Somewhere behind the gateway it broke: whether before or after the message was taken, nobody says.
    if (code >= 500) return { is: 'uncertain', error: words };
    // The token is wrong, or the address: it isn't the message, and no other one would be taken.
    if (code === 401 || code === 404) return { is: 'not_taken', error: words };
    if (code === 403 || nobodyThere.test(description)) return { is: 'unreachable', error: words };
    return { is: 'refused', error: words };
  }
  const cause = error instanceof HttpError ? error.error : error;
  const words = told(cause instanceof Error ? cause.message : String(cause));
  const written = !(cause instanceof Unanswered) || cause.written;
  return { is: written ? 'uncertain' : 'not_taken', error: words };
}
