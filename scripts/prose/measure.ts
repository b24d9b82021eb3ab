// Figures of plain English, and their limits. docs/writing.md has the rules.

export interface Prose {
  readonly sentences: number;
  /** Mean number of words per sentence. */
  readonly words: number;
  /** Share of sentences over 25 words, 0 to 1. */
  readonly long: number;
  /** Share of sentences that begin with who, what, where and so on, 0 to 1. */
  readonly openers: number;
}

/** The largest allowed values. */
export const limits = { words: 15, long: 0.03, openers: 0.01 } as const;

const wordsMax = 25;
const openerPattern = /^(who|whoever|whom|whose|what|whatever|where|wherever|which|whichever)\b/i;
const sentenceBreaks = new Intl.Segmenter('en', { granularity: 'sentence' });
const wordBreaks = new Intl.Segmenter('en', { granularity: 'word' });

/** Sentences of at least two words; a question of a reader ("May I try?") is a title, not prose. */
export function splitSentences(text: string): string[] {
  return [...sentenceBreaks.segment(text)]
    .map(({ segment }) => segment.trim())
    .filter((sentence) => countWords(sentence) > 1 && !sentence.endsWith('?'));
}

function countWords(sentence: string): number {
  return [...wordBreaks.segment(sentence)].filter(({ isWordLike }) => isWordLike).length;
}

export const isLong = (sentence: string): boolean => countWords(sentence) > wordsMax;
export const hasOpener = (sentence: string): boolean => openerPattern.test(sentence);

export function measureProse(texts: readonly string[]): Prose {
  const sentences = texts.flatMap(splitSentences);
  const count = sentences.length;
  const share = (part: number): number => (count === 0 ? 0 : part / count);
  return {
    sentences: count,
    words: share(sentences.reduce((sum, sentence) => sum + countWords(sentence), 0)),
    long: share(sentences.filter(isLong).length),
    openers: share(sentences.filter(hasOpener).length),
  };
}

/** The limits that these figures exceed, in words. */
export function describeExcess({ words, long, openers }: Prose): string[] {
  const formatPercent = (part: number): string => `${(part * 100).toFixed(1)} %`;
  return [
    ...(words > limits.words
      ? [`${words.toFixed(1)} words per sentence; at most ${limits.words}`]
      : []),
    ...(long > limits.long
      ? [
          `${formatPercent(long)} of the sentences have over ${wordsMax} words; at most ${formatPercent(limits.long)}`,
        ]
      : []),
    ...(openers > limits.openers
      ? [
          `${formatPercent(openers)} of the sentences begin with who, what, where; at most ${formatPercent(limits.openers)}`,
        ]
      : []),
  ];
}
