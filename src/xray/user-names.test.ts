import { expect, test } from 'vitest';
import { generateCredentialId } from '../kernel/ids.ts';
import {
  formatUserName,
  isUserName,
  tryParseCredentialId,
  tryParseUserName,
} from './user-names.ts';

const id = generateCredentialId();

test('a name of ours is read back, and is one that a node keeps as it is', () => {
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
])('"%s" is not one of ours', (name) => {
  expect(tryParseUserName(name, 'acme')).toBeUndefined();
});

test.each([
  id.slice(0, 35),
  `${id}0`,
  id.toUpperCase().replace(/\d/g, 'A'),
  id.replaceAll('-', ''),
  `{${id.slice(2)}}`,
  '',
])('"%s" is no credential, whatever Xray makes of it', (text) => {
  expect(tryParseCredentialId(text)).toBeUndefined();
});
