import { expect, test } from 'vitest';
import { generateCredentialId } from '../kernel/ids.ts';
import {
  formatUserName,
  isUserName,
  tryParseCredentialId,
  tryParseUserName,
} from './user-names.ts';

const id = generateCredentialId();

test('a formatted name is parsed again, and a node keeps it unchanged', () => {
  expect(tryParseUserName(formatUserName('acme', id), 'acme')).toBe(id);
  expect(formatUserName('acme', id)).toSatisfy(isUserName);
});

test.each([
  formatUserName('other', id),
  formatUserName('acme2', id),
  `acme-${id.slice(1)}`,
  `acme-${id}x`,
  `acme-${id.toUpperCase()}`,
  `ACME-${id}`,
  'acme-',
  id,
  '',
])('"%s" is not a name of this installation', (name) => {
  expect(tryParseUserName(name, 'acme')).toBeUndefined();
});

test.each([
  id.slice(0, 35),
  `${id}0`,
  id.toUpperCase().replace(/\d/g, 'A'),
  id.replaceAll('-', ''),
  `{${id.slice(2)}}`,
  '',
])('"%s" is not a credential, although Xray may accept it', (text) => {
  expect(tryParseCredentialId(text)).toBeUndefined();
});
