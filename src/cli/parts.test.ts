import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeParts, loadedParts, openParts, part, setLinked } from './parts.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-parts-test-'));
const file = join(dir, 'parts');

/** Parts by their names, which no other test uses: what was loaded stays. */
function write(bodies: Readonly<Record<string, string>>): void {
  const parts = Object.fromEntries(
    Object.entries(bodies).map(([id, body]) => [id, `(function(require,module,importMetaUrl){${body}})`]),
  );
  const index = (start: number): string => {
    let at = start;
    return JSON.stringify(
      Object.fromEntries(
        Object.entries(parts).map(([id, code]) => [id, [(at += code.length) - code.length, code.length]]),
      ),
    );
  };
  const length = index(1e6).length;
  const codes = Object.values(parts);
  writeFileSync(file, `${String(length).padStart(8)}${index(8 + length).padEnd(length)}${codes.join('')}`);
}

beforeEach(() => {
  writeFileSync(file, '');
  openParts(file, 'file:///program.js');
});
afterEach(() => {
  closeParts();
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

describe('part()', () => {
  it('loads a part once, when something of it is used, and what that imports when it is used', () => {
    write({
      'src/a.ts': "const b = require('src/b.ts'); module.exports = { one: 1, two: () => b.three };",
      'src/b.ts': 'module.exports = { three: 3 };',
    });
    const a = part('src/a.ts');
    expect(loadedParts()).toEqual([]);
    expect(a['one']).toBe(1);
    expect(loadedParts()).toEqual(['src/a.ts']);
    expect((a['two'] as () => number)()).toBe(3);
    expect(loadedParts()).toEqual(['src/a.ts', 'src/b.ts']);
    expect(part('src/a.ts')).toBe(a);
    expect(Object.keys(a)).toEqual(['one', 'two']);
  });

  it('loads nothing when it is what `import()` gives', async () => {
    write({ 'src/f.ts': 'module.exports = { f: 1 };' });
    // As esbuild has it.
    const given = await Promise.resolve().then(() => {
      const module = part('src/f.ts');
      expect(module['__esModule']).toBe(true);
      return Object.create(Object.getPrototypeOf(module) as object) as typeof module;
    });
    expect(loadedParts()).not.toContain('src/f.ts');
    expect(given['f']).toBe(1);
    expect(given['g']).toBeUndefined();
  });

  it('links parts that import each other, modules of the program and those of Node', () => {
    write({
      'src/c.ts': `module.exports = { get name() { return name }, both: () => name + d.other };
        const d = require('src/d.ts'); var name = d.early + 'c' + importMetaUrl;`,
      'src/d.ts': `const c = require('src/c.ts'); const { word } = require('src/linked.ts');
        module.exports = { early: String(c.name), get other() { return c.name + word + require('node:path').sep } };`,
    });
    setLinked({ 'src/linked.ts': () => ({ word: 'linked' }) });
    const c = part('src/c.ts');
    const name = 'undefinedcfile:///program.js';
    expect((c['both'] as () => string)()).toBe(`${name}${name}linked/`);
    expect(c['name']).toBe(name);
  });

  it('says that the file is cut off', () => {
    write({ 'src/e.ts': 'module.exports = { x: 1 };' });
    truncateSync(file, 20);
    expect(() => part('src/e.ts')['x']).toThrow('the package folder is incomplete');
  });
});
