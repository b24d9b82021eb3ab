/** A text by language: in this one, else in English, else in any. */
export function chooseTitle(
  titles: Readonly<Record<string, string>>,
  locale: string,
): string | undefined {
  return (
    titles[locale] ??
    titles[locale.split('-')[0] as string] ??
    titles.en ??
    Object.values(titles)[0]
  );
}
