import { expect, test } from 'vitest';
import { newCredentialId } from '../kernel/ids.ts';
import { isUserName, readCredentialId, readUserName, userName } from './names.ts';

const id = newCredentialId();

test('a name of ours is read back, and is one that a node keeps as it is', () => {
  expect(readUserName(userName('acme', id), 'acme')).toBe(id);
  expect(userName('acme', id)).toSatisfy(isUserName);
});

test.each([
  userName('other', id),
  userName('acme2', id),
  `acme-${id.slice(1)}`,
  `acme-${id}x`,
  `acme-${id.toUpperCase()}`,
  `ACME-${id}`,
  'acme-',
  id,
  '',
])('"%s" is not one of ours', (name) => {
  expect(readUserName(name, 'acme')).toBeUndefined();
});

test.each([
  id.slice(0, 35),
  `${id}0`,
  id.toUpperCase().replace(/\d/g, 'A'),
  id.replaceAll('-', ''),
  `{${id.slice(2)}}`,
  '',
])('"%s" is no credential, whatever Xray makes of it', (text) => {
  expect(readCredentialId(text)).toBeUndefined();
});
