/** True for a language tag with at most three subtags: `en`, `pt-BR`. */
export const isLocale = (text: string): boolean =>
  /^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/.test(text);
