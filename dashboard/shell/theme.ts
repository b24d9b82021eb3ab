// The theme: of the system, or the choice of the person, in this browser.

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const storageKey = 'perennial.theme';

export function readTheme(): Theme {
  const stored = localStorage.getItem(storageKey);
  return themes.find((theme) => theme === stored) ?? 'system';
}

export function applyTheme(theme: Theme = readTheme()): void {
  localStorage.setItem(storageKey, theme);
  document.documentElement.dataset.theme = theme;
}
