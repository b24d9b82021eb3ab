import './styles/base.css';
import './styles/parts.css';
import { render } from 'preact';
import { App } from './shell/app.tsx';
import { loadLanguage } from './shell/language.tsx';
import { applyTheme } from './shell/theme.ts';

// The entry of the dashboard.

applyTheme();
const language = await loadLanguage();
const place = document.getElementById('app');
if (place !== null) render(<App language={language} />, place);
