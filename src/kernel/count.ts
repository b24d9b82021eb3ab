/** `1 user`, `9,627 users`. @param plural the plural, if it is not the noun with an s */
export function formatCount(count: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en')} ${BigInt(count) === 1n ? noun : plural}`;
}
