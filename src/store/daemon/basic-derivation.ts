// A derivation on its way to a machine that builds it and does not have it: its outputs, the paths it needs, what runs.
// What it needs of other derivations has become paths by then.
import { outputFields, outputOfFields } from '../aterm.ts';
import { sortedMap, type Derivation, type DerivationOutput } from '../derivation.ts';
import { parseStorePath, storePathName } from '../store-path.ts';
import type { StorePath } from '../store.ts';
import type { WireInput } from '../wire-input.ts';
import type { Wire } from './wire.ts';

/** No variable of a derivation is longer. */
const maxVariable = 256 << 20;
const maxOutputs = 1 << 16;
const maxVariables = 1 << 20;

/** @param inputs all paths that the builder may see */
export function writeBasicDerivation(to: Wire, drv: Derivation, inputs: readonly StorePath[]): void {
  to.number(drv.outputs.size);
  for (const [name, output] of sortedMap(drv.outputs)) {
    to.string(name);
    for (const field of outputFields(output)) to.string(field);
  }
  to.strings([...inputs].sort());
  to.string(drv.system);
  to.string(drv.builder);
  to.strings(drv.args);
  to.number(drv.env.size);
  for (const [name, value] of drv.env) {
    to.string(name);
    to.string(value);
  }
}

/** @throws StoreError */
export function readBasicDerivation(input: WireInput, drvPath: StorePath, storeDir: string): Derivation {
  const name = storePathName(drvPath).replace(/\.drv$/, '');
  const outputs = new Map<string, DerivationOutput>();
  for (let left = input.number(maxOutputs); left > 0; left--) {
    const output = input.text();
    const [path, algorithm, hash] = [input.text(), input.text(), input.text()];
    outputs.set(output, outputOfFields(name, output, [path, algorithm, hash], storeDir));
  }
  const inputSrcs = input.texts().map((text) => parseStorePath(text, storeDir));
  const [system, builder] = [input.text(), input.text()];
  const args = input.texts(maxVariable);
  const env = new Map<string, string>();
  for (let left = input.number(maxVariables); left > 0; left--) {
    const variable = input.text(maxVariable);
    env.set(variable, input.text(maxVariable));
  }
  return { name, outputs, inputDrvs: new Map(), inputSrcs, system, builder, args, env: sortedMap(env) };
}
