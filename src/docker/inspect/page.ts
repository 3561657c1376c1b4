// The page that explains an image: one file with everything in it, made of lib/pages/explain.html and the explanation.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../util/program-files.ts';
import type { Explanation } from './explain.ts';
import { explanationJson } from './explanation-json.ts';

const PLACE = '/*DATA*/ null';

/** JSON that may stand in a script: nothing in it ends the element. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** @param title text: what the image is called */
export function renderPage(title: string, explanation: Explanation): string {
  const template = readFileSync(join(packageRoot(), 'lib/pages/explain.html'), 'utf8');
  const data = scriptJson(explanationJson(title, explanation));
  return template.replace('{{TITLE}}', () => escapeHtml(title)).replace(PLACE, () => data);
}
