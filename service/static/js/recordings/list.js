/** Table of the recordings of this visit; it appears with the second one. */

import { downloadButtons } from "../answer/report.js";
import { byId, h, icon } from "../lib/dom.js";
import { colourOf, swatch } from "../lib/emotions.js";
import { counted, duration, percent } from "../lib/format.js";
import { describeProblem } from "../intake/problems.js";

const CROSS = "M4.700 3.300 10 8.600l5.300-5.300 1.400 1.400L11.400 10l5.300 5.300-1.400 1.400L10 11.400l-5.300 5.300"
  + "-1.400-1.400L8.600 10 3.300 4.700z";
const COLUMNS = ["Recording", "Length", "Emotion", "Confidence"];

export class RecordingList {
  /** @param {{onSelect: (recording: Recording) => void, onRemove: (recording: Recording) => void}} actions */
  constructor(actions) {
    Object.assign(this, { actions, rows: new Map(), selected: null, recordings: [] });
    this.summary = h("p.fine.summary", { aria: { live: "polite" } });
    this.body = h("tbody");
    this.downloads = h("div");
    byId("recordings").append(
      h("h2", { id: "recordings-title", textContent: "Recordings of this visit" }), this.summary,
      h("div.rows", {}, h("table.plain", { aria: { labelledby: "recordings-title" } },
        h("thead", {}, h("tr", {}, ...COLUMNS.map((textContent) => h("th", { scope: "col", textContent })),
          h("th", {}, h("span.visually-hidden", { textContent: "Remove" })))),
        this.body)),
      this.downloads,
      h("p.fine", { textContent: "This list is kept in this tab only, until the page is closed or reloaded. "
        + "A long recording under analysis stays in it after a reload." }));
  }

  /** Display exactly these recordings. */
  show(recordings) {
    this.recordings = recordings;
    this.rows = new Map(recordings.map((recording) => [recording, this.rows.get(recording) ?? h("tr")]));
    this.body.replaceChildren(...this.rows.values());
    recordings.forEach((recording) => this.update(recording));
    byId("recordings").hidden = recordings.length < 2;
    this.count();
  }

  /** Mark the recording whose result is displayed. */
  select(recording) {
    const before = this.selected;
    this.selected = recording;
    if (before) this.update(before);
    if (recording) this.update(recording);
  }

  update(recording) {
    const row = this.rows.get(recording);
    if (!row) return;
    // Progress replaces only the last cells, so that the focus stays on the buttons.
    if (!row.firstChild) {
      row.append(this.nameCell(recording), h("td"), h("td"), h("td"), this.removeCell(recording));
    }
    row.classList.toggle("selected", recording === this.selected);
    const button = row.querySelector("button");
    if (recording === this.selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    const [length, emotion, confidence] = [...row.children].slice(1, 4);
    length.textContent = recording.result ? duration(recording.result.audio.duration_s) : "";
    emotion.replaceChildren(...this.state(recording));
    confidence.textContent = recording.result ? percent(recording.result.confidence) : "";
    this.count();
  }

  nameCell(recording) {
    return h("th", { scope: "row" }, h("button.link", {
      type: "button", textContent: recording.name, on: { click: () => this.actions.onSelect(recording) },
    }));
  }

  removeCell(recording) {
    return h("td", {}, h("button.ghost.remove", {
      type: "button", title: "Remove", aria: { label: `Remove ${recording.name}` },
      on: { click: () => this.actions.onRemove(recording) },
    }, icon(CROSS)));
  }

  state({ status, result, error, progress }) {
    if (result) {
      // Narrow windows have no column for the confidence.
      const share = h("span.share", { textContent: ` ${percent(result.confidence)}` });
      return [h("span", { style: { "--hue": colourOf(result.emotion) } }, swatch(result.emotion),
        `${result.emotion}${result.uncertain ? "?" : ""}`, share)];
    }
    if (status === "failed") return [h("span.failed", { textContent: `Failed: ${describeProblem(error).title}` })];
    return [h("span.fine", { textContent: status === "running" && progress ? progress.text : "Waiting" })];
  }

  count() {
    const done = this.recordings.filter(({ result }) => result);
    const failed = this.recordings.filter(({ status }) => status === "failed").length;
    const parts = [`${done.length} of ${counted(this.recordings.length, "recording")} analysed`];
    if (failed) parts.push(`${failed} failed`);
    const text = `${parts.join(", ")}.`;
    if (this.summary.textContent === text && this.counted === done.length) return;
    this.summary.textContent = text;
    this.counted = done.length;
    this.downloads.replaceChildren(...(done.length > 1 ? [downloadButtons(done)] : []));
  }
}
