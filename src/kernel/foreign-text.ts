// Text that another machine sent: nodes, gateways, mail servers. It reaches logs, terminals, the
// database and web pages, so it is cut and cleaned where it enters the program.
//
// 1. A text has at most 300 characters. The middle is left out, because the cause of an error is
//    often at its end.
// 2. A text has printable characters only. It has no control characters (an escape sequence begins
//    with one), no line ends and no marks of writing direction.
// 3. A name identifies a user or an inbound. Two different names stay different after the cut.
// 4. The time for a text grows linearly with its length.

import { createHash } from 'node:crypto';

export const foreignTextMax = 300;

/** Stands for one or more characters that are not printable. */
const replacement = '\u{fffd}';

/** Control, format, surrogate, private use, unassigned; line and paragraph separators. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** Between the two ends of a text that was too long. */
const gap = ' … ';
const endMax = 120;

/** @returns printable text of at most 300 characters */
export function foreignText(text: string): string {
  return replaceUnprintable(cutMiddle(text));
}

/**
 * A name as another machine has it. A name that was changed contains U+FFFD and a hash. So it
 * equals no other name, and no command can address it.
 */
export function foreignName(name: string): string {
  const cleaned = foreignText(name);
  if (cleaned === name) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12);
  const baseMax = foreignTextMax - hash.length - 2;
  return `${cleaned.slice(0, baseMax)}${replacement}${hash}`;
}

/** Control characters without a line end, and marks of writing direction. */
const terminalControls = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/gu;

/** Lines for a terminal, without the escape sequences of stored values. */
export function terminalText(text: string): string {
  return text.replace(terminalControls, replacement);
}

/** The same for JSON, as escapes: a program reads the stored values. */
export function terminalJson(json: string): string {
  return json.replace(
    terminalControls,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Leaves out the middle. Runs first, so that the other steps see a short text. */
function cutMiddle(text: string): string {
  if (text.length <= foreignTextMax) return text;
  const headMax = foreignTextMax - gap.length - endMax;
  return `${text.slice(0, headMax)}${gap}${text.slice(-endMax)}`;
}

function replaceUnprintable(text: string): string {
  return text.replace(unprintable, replacement);
}
