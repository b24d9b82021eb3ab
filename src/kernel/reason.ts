// A reason as an answer shows it. The sentence contains only the parameters, so a program can write
// its own sentence in another language.

export interface Reason {
  readonly code: string;
  readonly params: Readonly<Record<string, string | number | null>>;
  readonly sentence: string;
}

export const createReason = (code: string, params: Reason['params'], sentence: string): Reason => ({
  code,
  params,
  sentence,
});
