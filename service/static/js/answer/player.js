/** Playback of a recording or a part of it. */

/** Dispatches "time" (on every frame of playback, and after a seek) and "state" (playback starts or stops). */
export class Player extends EventTarget {
  /**
   * @param {Blob|null} file null where there is nothing to play
   * @param {number} duration in seconds
   */
  constructor(file, duration) {
    super();
    this.duration = duration;
    this.url = file && URL.createObjectURL(file);
    this.audio = file ? new Audio(this.url) : new Audio();
    this.audio.preload = "auto";
    this.until = Infinity;
    for (const event of ["play", "pause", "ended", "error"]) {
      this.audio.addEventListener(event, () => {
        this.dispatchEvent(new Event("state"));
        this.follow();
      });
    }
    this.audio.addEventListener("seeked", () => this.dispatchEvent(new Event("time")));
  }

  /** Whether there is something to play. */
  get canPlay() {
    return this.url !== null;
  }

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }

  get time() {
    return this.audio.currentTime;
  }

  toggle() {
    this.until = Infinity;
    if (this.playing) this.audio.pause();
    else this.start();
  }

  /** Play from one time to another. */
  play(from, until) {
    this.audio.currentTime = from;
    this.until = until;
    this.start();
  }

  seek(time) {
    this.until = Infinity;
    this.audio.currentTime = Math.max(0, Math.min(time, this.duration));
    this.dispatchEvent(new Event("time"));
  }

  async start() {
    if (!this.canPlay) return;
    try {
      await this.audio.play();
    } catch (error) {
      // A seek or pause before playback began; an unsupported file also dispatches "error".
      if (!(error instanceof DOMException)) throw error;
    }
  }

  follow() {
    this.dispatchEvent(new Event("time"));
    if (!this.playing) return;
    if (this.time >= this.until) {
      this.until = Infinity;
      this.audio.pause();
      return;
    }
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.follow());
  }

  close() {
    this.audio.pause();
    cancelAnimationFrame(this.frame);
    if (this.canPlay) URL.revokeObjectURL(this.url);
  }
}

/** The last of the ordered items with start_s <= time, if time < its end_s; else null. */
export function itemAt(items, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].start_s <= time) low = middle + 1;
    else high = middle;
  }
  const item = items[low - 1];
  return item && time < item.end_s ? item : null;
}
