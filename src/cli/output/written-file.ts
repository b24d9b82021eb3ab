import { writeTarget } from '../../import-export/files.ts';
import { formatCount } from '../../kernel/count.ts';
import { InterruptedFault } from '../shutdown.ts';
import { ProgressLine } from './progress.ts';

/** Creates the text of a file in pieces, and reports the number of lines so far. */
export type LineSource = (onRows: (rows: number) => void) => AsyncIterable<string>;

/**
 * Writes lines to a file, or with `-` to standard output, and shows the progress.
 * @returns the number of lines
 * @throws InterruptedFault that states the state of the file
 */
export async function writeLines(
  file: string,
  source: LineSource,
  signal: AbortSignal,
): Promise<number> {
  const progress = new ProgressLine();
  let lines = 0;
  const onRows = (rows: number) => {
    lines = rows;
    progress.show(() => `writing: ${formatCount(rows, 'line')}`);
  };
  await writeTarget(file, source(onRows), signal)
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
      const state = file === '-' ? 'the output is incomplete' : `${file} was not written`;
      throw new InterruptedFault(signal, `${state}, and the database was not changed`, error);
    })
    .finally(() => progress.end());
  return lines;
}
