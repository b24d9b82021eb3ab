// Times of a form field, in the zone of the browser and to the minute.

const pad = (value: number): string => String(value).padStart(2, '0');

/** @param iso a time of the API, a date, or empty */
export function toLocalTime(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '';
  const date = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join('-');
  return `${date}T${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/** @returns empty for an incomplete time: a year has its first digits while it is entered */
export function fromLocalTime(local: string): string {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) || at.getFullYear() < 2000 ? '' : at.toISOString();
}
