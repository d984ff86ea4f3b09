/** A recording of this visit, from its choice to its result. */

/** States in which a recording takes time. */
const OPEN = ["waiting", "running"];
let lastId = 0;

export class Recording {
  /**
   * @param {{file?: File, transcript?: string, channels?: boolean, name?: string, jobId?: string}} input what was
   *   chosen; `channels`: each channel is one speaker. After a reload only the name and the job are known.
   */
  constructor({ file = null, transcript = "", channels = false, name = file.name, jobId = null }) {
    Object.assign(this, { file, transcript, channels, id: (lastId += 1), name });
    this.reset();
    this.jobId = jobId;
  }

  /** Forget the result, for another analysis. */
  reset() {
    this.controller?.abort();
    Object.assign(this, {
      controller: new AbortController(), status: "waiting", progress: null, early: [], result: null, error: null,
      notes: [], jobId: null, startedAt: null,
    });
  }

  get isOpen() {
    return OPEN.includes(this.status);
  }

  /** Whether it can be analysed again: not after a reload, which keeps no file. */
  get isRepeatable() {
    return this.file !== null;
  }

  get isJob() {
    return this.jobId !== null;
  }

  /** Whether the words of the whole recording can be given: not for jobs, nor with one speaker per channel. */
  get takesTranscript() {
    return !this.isJob && !this.channels;
  }
}
