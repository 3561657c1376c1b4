// builtins.fetchClosure: a store path with all it refers to from a binary cache; as it is, or rewritten so that its
// path says what is in it.
import type { Evaluator } from '../eval/evaluator.ts';
import { ContextBuilder } from '../eval/context.ts';
import { makeString, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { tryParseStorePath } from '../store/store-path.ts';
import { EvalError, NotImplementedError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';

interface Request {
  fromStore?: string;
  fromPath?: string;
  /** null: `toPath = ""`, which asks what it would be. */
  toPath?: string | null;
  inputAddressed: boolean;
}

function storePathOf(ev: Evaluator, slot: Slot, pos: Pos, why: string): string {
  const text = ev.coerceToString(slot, pos, new ContextBuilder(), why, { copy: false });
  const path = tryParseStorePath(text, ev.io.storeDir);
  if (path === undefined) throw new EvalError(`path '${text}' is not in the Nix store`, { pos }).addFrame(why, pos);
  return path;
}

function readRequest(ev: Evaluator, argument: Slot): Request {
  const attrs = ev.expectAttrs(argument, 0, 'while evaluating the argument passed to builtins.fetchClosure');
  const request: Request = { inputAddressed: false };
  attrs.forEachByName((name, slot, pos) => {
    const why = `while evaluating the attribute '${name}' passed to builtins.fetchClosure`;
    if (name === 'fromPath') request.fromPath = storePathOf(ev, slot, pos, why);
    else if (name === 'toPath') request.toPath = ev.force(slot, pos) === '' ? null : storePathOf(ev, slot, pos, why);
    else if (name === 'fromStore') request.fromStore = ev.expectStringNoContext(slot, pos, why);
    else if (name === 'inputAddressed') request.inputAddressed = ev.expectBool(slot, pos, why);
    else throw new EvalError(`attribute '${name}' isn't supported in call to 'fetchClosure'`, { pos });
  });
  return request;
}

function checkStoreUrl(ev: Evaluator, url: string): void {
  // As in Nix: a folder is for tests, whose caches nobody else can write to.
  const isFolder = url.startsWith('file://') && ev.io.getEnv('_NIX_IN_TEST') !== undefined;
  if (!/^https?:\/\//.test(url) && !isFolder) {
    throw new EvalError("'fetchClosure' only supports http:// and https:// stores");
  }
  if (url.includes('?')) throw new EvalError(`'fetchClosure' does not support URL query parameters (in '${url}')`);
}

function fetchClosure(ev: Evaluator, argument: Slot): Value {
  const { fromStore, fromPath, toPath, inputAddressed } = readRequest(ev, argument);
  const missing = (name: string): EvalError =>
    new EvalError(`attribute '${name}' is missing in call to 'fetchClosure'`);
  if (fromPath === undefined) throw missing('fromPath');
  if (inputAddressed && toPath !== undefined) {
    throw new EvalError(
      "attribute 'inputAddressed' is set to true, but 'toPath' is also set. Please remove one of them",
    );
  }
  if (fromStore === undefined) throw missing('fromStore');
  checkStoreUrl(ev, fromStore);
  const { io } = ev;
  if (io.fetchClosure === undefined) throw new NotImplementedError('fetchClosure without a store');
  const wanted = toPath ?? fromPath;
  if (toPath === null || !io.isValidPath(wanted)) {
    const got = io.fetchClosure(fromStore, fromPath, toPath !== undefined);
    if (toPath !== undefined && got !== toPath) {
      throw new EvalError(
        `rewriting '${fromPath}' to content-addressed form yielded '${got}'${
          toPath === null
            ? "\nUse this value for the 'toPath' attribute passed to 'fetchClosure'"
            : `, while '${toPath}' was expected`
        }`,
      );
    }
  }
  const isContentAddressed = io.isContentAddressed?.(wanted) ?? false;
  if (toPath !== undefined && !isContentAddressed) {
    throw new EvalError(
      `The 'toPath' value '${wanted}' is input-addressed, so it can't possibly be the result of rewriting to a content-addressed path.\n\nSet 'toPath' to an empty string to make Nix report the correct content-addressed path.`,
    );
  }
  if (toPath === undefined && !inputAddressed && !isContentAddressed) {
    throw new EvalError(
      `The 'fromPath' value '${wanted}' is input-addressed, but 'inputAddressed' is set to 'false' (default).\n\nIf you do intend to fetch an input-addressed store path, add\n\n    inputAddressed = true;\n\nto the 'fetchClosure' arguments.\n\nNote that to ensure authenticity input-addressed store paths, users must configure a trusted binary cache public key on their systems. This is not needed for content-addressed paths.`,
    );
  }
  if (inputAddressed && isContentAddressed) {
    throw new EvalError(
      `The store object referred to by 'fromPath' at '${wanted}' is not input-addressed, but 'inputAddressed' is set to 'true'.\n\nRemove the 'inputAddressed' attribute (it defaults to 'false') to expect 'fromPath' to be content-addressed`,
    );
  }
  if (io.allowPath !== undefined) for (const path of io.closure(wanted)) io.allowPath(path);
  return makeString(wanted, [wanted]);
}

export const fetchClosureBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'fetchClosure',
    args: ['args'],
    feature: 'fetch-closure',
    doc:
      'Fetches a store path with its closure from a binary cache and returns it. The argument is a set of `fromStore` (an ' +
      '`http:` or `https:` URL) and `fromPath`. The path must be content-addressed; or `inputAddressed = true` says that ' +
      'it is not, and a signature is asked for; or `toPath` names the path that it has when it is rewritten to be ' +
      'content-addressed (`""` makes the error say it).',
    impl: (ev, _pos, args) => fetchClosure(ev, args),
  },
];
