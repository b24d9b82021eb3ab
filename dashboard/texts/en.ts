/** All texts of this language, one file for each page. */
export const texts: readonly string[] = Object.values(
  import.meta.glob<string>('./en/*.ftl', { query: '?raw', import: 'default', eager: true }),
);
