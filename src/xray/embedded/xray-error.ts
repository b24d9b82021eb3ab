import { status } from '@grpc/grpc-js';

/** An error of Xray. The code is nearly always 2, so only the text distinguishes errors. */
export class XrayError extends Error {
  readonly code: status;

  constructor(text: string, code: status = status.UNKNOWN) {
    super(text);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** A fault that ends the whole Xray process, because its API server does not recover. */
export class Panic extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'Panic';
  }
}
