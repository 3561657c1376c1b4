// Pages that are one file with everything in it: a template of lib/pages, and data that its script reads.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './program-files.ts';

/** Where the data goes. */
const PLACE = '/*DATA*/ null';

/** JSON that may stand in a script: nothing in it ends the element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/**
 * @param name of the template, without `.html`
 * @param title text, for templates that have a place for one
 */
export function fillPage(name: string, data: unknown, title = ''): string {
  const template = readFileSync(join(packageRoot(), `lib/pages/${name}.html`), 'utf8');
  return template.replace('{{TITLE}}', () => escapeHtml(title)).replace(PLACE, () => scriptJson(data));
}
