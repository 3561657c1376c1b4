// Ctrl-C and its like: Nix's words, the shell's exit status.
import { NixError } from '../util/errors.ts';

export class Interrupted extends NixError {
  override readonly code = 'INTERRUPTED';
  constructor(signal: string) {
    super('interrupted by the user');
    this.exitStatus = signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 129;
  }
}
