import { status } from '@grpc/grpc-js';

/** An error that Xray answers: nearly always code 2, and only the text tells which. */
export class Refusal extends Error {
  readonly code: status;

  constructor(text: string, code: status = status.UNKNOWN) {
    super(text);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** What ends the whole process in Xray: its API server has no recovery (XRAY.md 0). */
export class Panic extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'Panic';
  }
}
