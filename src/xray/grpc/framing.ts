// The frame of a gRPC message in HTTP/2 data: one byte for compression, always 0, and the length.

const prefixBytes = 5;

export function frameMessage(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, prefixBytes);
  return bytes;
}

/** An answer that is no listing of users has a few hundred bytes. */
export const answerMaxBytes = 1_024 * 1_024;

/** Extracts one message from pieces of any size. */
export class Deframer {
  readonly #maxBytes: number;
  #prefix: Buffer = Buffer.alloc(0);
  #remaining: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @returns the part of the message in this piece. @throws Error if it is not one message */
  take(piece: Buffer): Buffer {
    if (this.#remaining === undefined) {
      this.#prefix = Buffer.concat([this.#prefix, piece]);
      if (this.#prefix.length < prefixBytes) return Buffer.alloc(0);
      if (this.#prefix[0] !== 0) throw new Error('a message that is compressed, or none');
      this.#remaining = this.#prefix.readUInt32BE(1);
      if (this.#remaining > this.#maxBytes) {
        throw new Error(
          `a message of ${this.#remaining} bytes; expected at most ${this.#maxBytes}`,
        );
      }
      return this.#countBytes(this.#prefix.subarray(prefixBytes));
    }
    return this.#countBytes(piece);
  }

  /** @throws Error if the message is missing or incomplete */
  end(): void {
    if (this.#remaining === undefined) throw new Error('an answer without a message');
    if (this.#remaining > 0) throw new Error(`a message that ends ${this.#remaining} bytes early`);
  }

  #countBytes(bytes: Buffer): Buffer {
    this.#remaining = (this.#remaining ?? 0) - bytes.length;
    if (this.#remaining < 0) throw new Error('more than one message');
    return bytes;
  }
}
