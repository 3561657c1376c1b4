import { describeWith } from '../../../test/support/requirements.ts';
import { busybox, sandboxSuite } from '../../../test/support/sandbox-suite.ts';

describeWith(['perl', busybox], 'perl', () => {
  sandboxSuite('perl', { filters: true, argv0: true, sortedEnv: true });
});
describeWith(['bwrap', busybox], 'bubblewrap', () => {
  sandboxSuite('bubblewrap', { filters: true, argv0: false, sortedEnv: false });
});
describeWith(['unshare', 'setpriv', busybox], 'unshare', () => {
  sandboxSuite('unshare', { filters: false, argv0: false, sortedEnv: false });
});
