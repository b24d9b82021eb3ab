// Texts without markup. A document has one for each paragraph, list item and table cell. A source
// file has one for each comment block.

/** Paragraphs, list items and table cells of a Markdown document, without headings and code. */
export function extractMarkdownTexts(markdown: string): string[] {
  const texts: string[] = [];
  let pending: string[] = [];
  const close = (): void => {
    if (pending.length > 0) texts.push(stripMarkup(pending.join(' ')));
    pending = [];
  };
  let fence: string | undefined;
  for (const line of markdown.split('\n')) {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark?.startsWith(fence)) fence = undefined;
    } else if (mark !== undefined) {
      close();
      fence = mark;
    } else if (/^\s*(#{1,6} |$|<|---+$)/.test(line)) close();
    else if (/^\s*\|/.test(line)) {
      close();
      texts.push(...splitCells(line).map(stripMarkup));
    } else {
      const item = /^\s*(?:>\s*)?(?:[-*]|\d+\.)\s+(.*)$/.exec(line)?.[1];
      if (item !== undefined) close();
      pending.push(item ?? line.trim());
    }
  }
  close();
  return texts.filter((text) => /[a-z]{2}/i.test(text));
}

const splitCells = (row: string): string[] =>
  row
    .trim()
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/);

/** Links become their text. Code becomes one word, so that its dots end no sentence. */
function stripMarkup(markdown: string): string {
  return markdown
    .replace(/`[^`]*`/g, 'code')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\*\*|__|\\/g, '')
    .replace(/(?<![\w*])\*([^*]+)\*(?!\w)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Comment blocks of TypeScript, each as one text; tags such as `@throws` begin a new text. */
export function extractCommentTexts(source: string): string[] {
  const texts: string[] = [];
  let pending: string[] = [];
  const close = (): void => {
    const text = stripMarkup(pending.join(' '));
    if (/[a-z]{2}/i.test(text)) texts.push(text);
    pending = [];
  };
  const add = (line: string): void => {
    if (line.trim() === '') {
      close();
      return;
    }
    const start = /^\s*(?:@\w+|[-*]|\d+\.)\s+(.*)$/.exec(line)?.[1];
    if (start !== undefined) close();
    pending.push(start ?? line.trim());
  };
  let isBlock = false;
  for (const line of source.split('\n')) {
    if (isBlock) {
      const [text = '', after] = line.split('*/', 2);
      add(text.replace(/^\s*\* ?/, ''));
      if (after !== undefined) {
        isBlock = false;
        close();
      }
      continue;
    }
    const lineComment = /^\s*\/\/ ?(.*)$/.exec(line)?.[1];
    if (lineComment !== undefined) {
      if (!/^(biome-ignore|@ts-)/.test(lineComment)) add(lineComment);
      continue;
    }
    close();
    const start = /^\s*\/\*\*? ?(.*)$/.exec(line)?.[1];
    if (start === undefined) {
      const trailing = /;\s+\/\/ (.*)$/.exec(line)?.[1];
      if (trailing !== undefined) {
        add(trailing);
        close();
      }
      continue;
    }
    const [text = '', after] = start.split('*/', 2);
    add(text);
    if (after === undefined) isBlock = true;
    else close();
  }
  close();
  return texts;
}
