import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import type { TestApi } from '../../support/api.ts';

/** Head and body of an answer, as text. */
export interface RawResponse {
  readonly head: string;
  readonly body: string;
}

/** Sends bytes that no HTTP client sends, and reads until the server ends the connection. */
export function sendRaw(
  { address }: TestApi,
  ...parts: readonly (string | Buffer)[]
): Promise<RawResponse> {
  const socket = connect(Number(new URL(address).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let answer = '';
  return new Promise((resolve, reject) => {
    socket.on('data', (bytes) => {
      answer += bytes;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      resolve({ head, body });
    });
    for (const part of parts) socket.write(part);
  });
}
