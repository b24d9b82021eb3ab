/** A reason why a line cannot be imported. */
export interface LineProblem {
  /** The number in the file, from 1. */
  readonly line: number;
  /** Null: the line as a whole. */
  readonly column: string | null;
  /** The value in the file, cut if it is long. */
  readonly value: string | null;
  readonly reason: string;
}

/** The number of problems that a person reads; the others are only counted. */
export const problemsShownMax = 1_000;

const valueCharactersMax = 80;

export function shortenValue(value: string): string {
  if (value.length <= valueCharactersMax) return value;
  return `${value.slice(0, valueCharactersMax)}…`;
}

/** All problems of a file in bounded memory: the first ones by line, and their number. */
export class LineProblems {
  #shown: LineProblem[] = [];
  #total = 0;

  add(problem: LineProblem): void {
    this.#total += 1;
    if (this.#shown.length < problemsShownMax) this.#shown.push(problem);
  }

  /** Adds problems of another check: the first ones of `total`, in the order of their lines. */
  addAll(first: readonly LineProblem[], total: number): void {
    this.#total += total;
    // Both lists have the first problems of their kind, so together they contain the first of all.
    this.#shown = [...this.#shown, ...first]
      .sort((a, b) => a.line - b.line)
      .slice(0, problemsShownMax);
  }

  get shown(): readonly LineProblem[] {
    return this.#shown;
  }

  get total(): number {
    return this.#total;
  }
}
