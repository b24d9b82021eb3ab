import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** New certificates in a temporary folder, made by openssl. */
export interface Certificates {
  /** PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  read(file: string): Buffer;
  remove(): void;
}

/** An authority, and a certificate of it for `name` and 127.0.0.1. */
export function makeCertificates(name: string): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-tls-'));
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  writeFileSync(at('san'), `subjectAltName=DNS:${name},IP:127.0.0.1`);
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test');
  openssl('req', ...newKey, '-keyout', 'key.pem', '-out', 'request', '-subj', `/CN=${name}`);
  openssl(
    ...['x509', '-req', '-in', 'request', '-CA', 'ca.pem', '-CAkey', 'ca.key'],
    ...['-CAcreateserial', '-out', 'cert.pem', '-extfile', 'san'],
  );
  return {
    ca: at('ca.pem'),
    cert: at('cert.pem'),
    key: at('key.pem'),
    read: (file) => readFileSync(file),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
