import { globSync, readFileSync } from 'node:fs';

// A parser for Markdown documents: fenced blocks, code spans, headings, links.

export interface CodeBlock {
  /** The line of its fence, from 1. */
  readonly line: number;
  /** `sh`, `yaml`, `sql`, … */
  readonly language: string;
  /** The text after the language: a file name, `until-ready`, `no-run: reason`. */
  readonly info: string;
  readonly text: string;
}

export interface MarkdownDocument {
  readonly path: string;
  readonly blocks: readonly CodeBlock[];
  /** The text outside the blocks. */
  readonly prose: string;
  readonly headings: readonly string[];
}

export function parseDocument(path: string, text: string): MarkdownDocument {
  const blocks: CodeBlock[] = [];
  const prose: string[] = [];
  let open: { line: number; language: string; info: string; lines: string[] } | undefined;
  text.split('\n').forEach((line, at) => {
    const fence = /^```(\S*) ?(.*)$/.exec(line);
    if (fence === null) {
      (open?.lines ?? prose).push(line);
    } else if (open === undefined) {
      open = { line: at + 1, language: fence[1] ?? '', info: fence[2] ?? '', lines: [] };
    } else {
      blocks.push({ ...open, text: open.lines.join('\n') });
      open = undefined;
    }
  });
  const headings = prose.flatMap((line) => /^#+ (.+)$/.exec(line)?.[1] ?? []);
  return { path, blocks, prose: prose.join('\n'), headings };
}

export function readDocuments(): readonly MarkdownDocument[] {
  const paths = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/*.md').sort()];
  return paths.map((path) => parseDocument(path, readFileSync(path, 'utf8')));
}

/** Code spans of the prose: `like this`. */
export function findCodeSpans({ prose }: MarkdownDocument): readonly string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span as string);
}

/** Targets of `[text](target)`. */
export function findLinks({ prose }: MarkdownDocument): readonly string[] {
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string);
}

/** The anchor of a heading, as GitHub computes it. */
export function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}
