import type { ComponentChildren } from 'preact';
import { Link } from 'wouter';
import type { Tone } from './values.tsx';

interface FigureProps {
  readonly label: string;
  readonly value: ComponentChildren;
  readonly note?: ComponentChildren;
  /** The list behind the figure. */
  readonly href?: string | undefined;
  readonly tone?: Tone;
}

/** A figure with its label, and a link to the list behind it. */
export function Figure({ label, value, note, href, tone = 'neutral' }: FigureProps) {
  const content = (
    <>
      <span class="label">{label}</span>
      <span class="value">{value}</span>
      {note && <span class="note">{note}</span>}
    </>
  );
  return href === undefined ? (
    <div class={`figure ${tone}`}>{content}</div>
  ) : (
    <Link href={href} class={`figure ${tone}`}>
      {content}
    </Link>
  );
}
