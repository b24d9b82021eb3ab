/** Why a line can't be imported. */
export interface LineProblem {
  /** Of the file, from 1. */
  readonly line: number;
  /** Null: the line as a whole. */
  readonly column: string | null;
  /** As the file has it, cut if it is long. */
  readonly value: string | null;
  readonly reason: string;
}

/** As many as somebody would read; the rest is counted. */
export const problemsShownMax = 1_000;

const valueCharactersMax = 80;

export function shortenValue(value: string): string {
  if (value.length <= valueCharactersMax) return value;
  return `${value.slice(0, valueCharactersMax)}…`;
}

/** All problems of a file in bounded memory: the first ones by line, and how many there are. */
export class LineProblems {
  #shown: LineProblem[] = [];
  #total = 0;

  add(problem: LineProblem): void {
    this.#total += 1;
    if (this.#shown.length < problemsShownMax) this.#shown.push(problem);
  }

  /** More of them, found another way: the first ones of `total`, in the order of their lines. */
  addAll(first: readonly LineProblem[], total: number): void {
    this.#total += total;
    // Both lists hold the first ones of their kind, so the first ones of all are among them.
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
