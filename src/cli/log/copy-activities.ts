// Copies between stores, told as activities: one for all, and one for each path.
import type { CopyObserver } from '../../fetch/cache/copy.ts';
import type { CopyTold, SubstitutionObserver } from '../../fetch/cache/substituter.ts';
import type { NarInfo } from '../../store/narinfo.ts';
import type { StorePath } from '../../store/store.ts';
import { activityType, resultType, startActivity, verbosity } from '../../util/activity.ts';
import type { ActivityId, ActivityLog } from '../../util/activity.ts';

export interface CopyPlaces {
  /** URIs. */
  readonly source: string;
  readonly destination: string;
  /** Which of them is named beside a path. */
  readonly named: 'from' | 'to';
}

export class CopyActivities implements CopyObserver, Pick<SubstitutionObserver, 'copying'> {
  private readonly log: ActivityLog;
  private readonly places: CopyPlaces;
  private readonly running = new Map<StorePath, ActivityId>();
  private whole: ActivityId | undefined;
  private total = 0;
  private done = 0;

  constructor(log: ActivityLog, places: CopyPlaces) {
    this.log = log;
    this.places = places;
  }

  missing(infos: readonly NarInfo[]): void {
    this.total = infos.length;
    if (this.total === 0) return;
    const text = `copying ${this.total} paths`;
    this.whole = startActivity(this.log, activityType.copyPaths, { level: verbosity.info, text });
    const bytes = infos.reduce((sum, { narSize }) => sum + narSize, 0);
    this.log.result(this.whole, resultType.setExpected, [activityType.copyPath, bytes]);
    this.tell();
  }

  private tell(): void {
    if (this.whole === undefined) return;
    this.log.result(this.whole, resultType.progress, [this.done, this.total, this.running.size, 0]);
  }

  private start(path: StorePath): ActivityId {
    const { source, destination, named } = this.places;
    const id = startActivity(this.log, activityType.copyPath, {
      level: verbosity.info,
      text: `copying path '${path}' ${named} '${named === 'from' ? source : destination}'`,
      fields: [path, source, destination],
    });
    this.running.set(path, id);
    this.tell();
    return id;
  }

  async *sending({ path, narSize }: NarInfo, archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const id = this.start(path);
    let bytes = 0;
    for await (const chunk of archive) {
      bytes += chunk.length;
      this.log.result(id, resultType.progress, [bytes, narSize, 0, 0]);
      yield chunk;
    }
  }

  sent(path: StorePath): void {
    this.stop(path);
    this.done++;
    this.tell();
  }

  private stop(path: StorePath): void {
    const id = this.running.get(path);
    this.running.delete(path);
    if (id !== undefined) this.log.stop(id);
  }

  /** Of a store that asks for what it lacks. */
  copying(path: StorePath, _uri: string, narSize: number): CopyTold {
    const id = this.start(path);
    return {
      unpacked: (bytes) => {
        this.log.result(id, resultType.progress, [bytes, narSize, 0, 0]);
      },
      downloading: () => undefined,
      downloaded: () => undefined,
      ended: () => {
        this.sent(path);
      },
      failed: () => {
        this.stop(path);
      },
    };
  }

  /** All has ended, whatever became of it. */
  end(): void {
    for (const path of [...this.running.keys()]) this.stop(path);
    if (this.whole !== undefined) this.log.stop(this.whole);
  }
}
