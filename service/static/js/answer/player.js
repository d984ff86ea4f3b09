/** Playing a recording, all of it or one stretch, and telling where it is, frame by frame. */

/** Fires "time" (while it plays, and after a jump) and "state" (it starts or stops). */
export class Player extends EventTarget {
  /**
   * @param {Blob} file
   * @param {number} duration seconds; what the service measured
   */
  constructor(file, duration) {
    super();
    this.duration = duration;
    this.url = URL.createObjectURL(file);
    this.audio = new Audio(this.url);
    this.audio.preload = "auto";
    this.until = Infinity;
    for (const event of ["play", "pause", "ended", "error"]) {
      this.audio.addEventListener(event, () => {
        this.tell("state");
        this.follow();
      });
    }
    this.audio.addEventListener("seeked", () => this.tell("time"));
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

  /** Plays from one time to another. */
  play(from, until = Infinity) {
    this.audio.currentTime = from;
    this.until = until;
    this.start();
  }

  seek(time) {
    this.until = Infinity;
    this.audio.currentTime = Math.max(0, Math.min(time, this.duration));
    this.tell("time");
  }

  async start() {
    try {
      await this.audio.play();
    } catch (error) {
      // A jump or a pause before it began; a file that this browser cannot play says so through "error".
      if (!(error instanceof DOMException)) throw error;
    }
  }

  follow() {
    this.tell("time");
    if (!this.playing) return;
    if (this.time >= this.until) {
      this.until = Infinity;
      this.audio.pause();
      return;
    }
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.follow());
  }

  tell(event) {
    this.dispatchEvent(new Event(event));
  }

  close() {
    this.audio.pause();
    cancelAnimationFrame(this.frame);
    URL.revokeObjectURL(this.url);
  }
}

/** The last item that has begun at a time and not ended, of items in order; null between them. */
export function itemAt(items, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].start_s <= time) low = middle + 1;
    else high = middle;
  }
  const found = items[low - 1];
  return found && time < found.end_s ? found : null;
}
