// Amounts as a person enters them: with a point or a comma.

export const isAmount = (text: string): boolean => /^-?\d+([.,]\d{1,4})?$/.test(text.trim());

/** The form of the API. */
export const toAmount = (text: string): string => text.trim().replace(',', '.');

export const isDays = (text: string): boolean =>
  /^[1-9]\d{0,3}$/.test(text) && Number(text) <= 3_660;
