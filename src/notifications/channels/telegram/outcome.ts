import { GrammyError, HttpError } from 'grammy';
import { dayMs, secondMs } from '../../../kernel/instant.ts';
import type { SendOutcome } from '../channel.ts';
import { NoResponseError } from './http-client.ts';

// The outcome of a send by the error of the Bot API. The code decides. The description decides only
// if one code has several meanings.

/** 400 for a recipient whom the bot cannot write to, in the descriptions of the Bot API. */
const unreachablePattern = /chat not found|user not found|user is deactivated|PEER_ID_INVALID/i;

/** A proxy in front of the Bot API may drop `parameters`. The description states the time too. */
const retryAfterPattern = /retry after (\d{1,9})/i;
/** Without any statement, the answer to a burst is a few seconds. */
const defaultRetryMs = 5 * secondMs;
/** A longer wait is an error of the gateway. After a day the courier asks again. */
const retryMaxMs = dayMs;

function parseRetryAfterMs({ description, parameters }: GrammyError): number {
  const text = parameters.retry_after ?? retryAfterPattern.exec(description)?.[1];
  const seconds = Number(text);
  if (text === undefined || !Number.isFinite(seconds)) return defaultRetryMs;
  return Math.min(retryMaxMs, Math.max(1, Math.ceil(seconds)) * secondMs);
}

/** @param redact removes secrets from the text of an error */
export function toTelegramOutcome(error: unknown, redact: (text: string) => string): SendOutcome {
  if (error instanceof GrammyError) {
    const { error_code: code, description } = error;
    const errorText = redact(`${code} ${description}`);
    if (code === 429) return { is: 'throttled', retryAfterMs: parseRetryAfterMs(error) };
    // A failure behind the gateway. It may have happened before or after the message was accepted.
    if (code >= 500) return { is: 'uncertain', error: errorText };
    // A wrong token or address. The gateway would accept no other message either.
    if (code === 401 || code === 404) return { is: 'not_sent', error: errorText };
    if (code === 403 || unreachablePattern.test(description))
      return { is: 'unreachable', error: errorText };
    return { is: 'refused', error: errorText };
  }
  const cause = error instanceof HttpError ? error.error : error;
  const errorText = redact(cause instanceof Error ? cause.message : String(cause));
  const wasWritten = !(cause instanceof NoResponseError) || cause.wasWritten;
  return { is: wasWritten ? 'uncertain' : 'not_sent', error: errorText };
}
