// npm run fuzz -- [--seconds N] [--seed S] [--first I] [--formats nix,json,…] [FOLDER…]: damaged files, generated
// programs, deep nesting and random bytes to the parser, the evaluator and its printers, and to the readers of JSON,
// TOML, regular expressions, derivations and NARs. What crashes, hangs or throws a JavaScript exception is made small
// and shown; status 1 if there was any. Files of FOLDERs are damaged beside this repository's. Case I of a seed is
// always the same (with the same folders).
import { fuzz, minimise } from '../test/support/fuzz/fuzz.ts';
import { FORMATS, type Format } from '../test/support/fuzz/inputs.ts';
import { numberOf, parseOptions, usageError } from './usage.ts';

const { values, positionals } = parseOptions(import.meta.filename, {
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 0x7fffffff) },
    first: { type: 'string', default: '0' },
    formats: { type: 'string', default: FORMATS.join() },
    'case-ms': { type: 'string', default: '20000' },
    'minimise-seconds': { type: 'string', default: '60' },
  },
  allowPositionals: true,
});

const seed = numberOf('seed', values.seed);
const caseMs = numberOf('case-ms', values['case-ms']);
const formats = values.formats.split(',');
const unknown = formats.find((format) => !(FORMATS as readonly string[]).includes(format));
if (unknown !== undefined) usageError(`there is no format '${unknown}', only ${FORMATS.join(', ')}`);
console.log(`seed ${seed}`);
const seen = new Set<string>();
const { cases, findings } = await fuzz({
  seed,
  seconds: numberOf('seconds', values.seconds),
  first: numberOf('first', values.first),
  formats: formats as Format[],
  folders: positionals,
  caseMs,
  onFinding(finding) {
    console.log(`${finding.kind} in case ${finding.index} (${finding.format}): ${finding.message}`);
    const key = `${finding.kind} ${finding.message}`;
    if (seen.has(key) && finding.kind === 'exception') return;
    seen.add(key);
    const input = minimise(finding, numberOf('minimise-seconds', values['minimise-seconds']), caseMs);
    const shown = JSON.stringify(input);
    console.log(
      shown.length > 2000 ? `  ${shown.slice(0, 1000)} … ${shown.slice(-300)} (${input.length} bytes)` : `  ${shown}`,
    );
  },
});
console.log(`${cases} cases of seed ${seed}, ${findings.length} findings`);
process.exitCode = findings.length > 0 ? 1 : 0;
