// @ts-check
// The DOM of one message, without React: a view for each of its parts. They are the stored ones, or
// those of the running answer out of the chunk store.

import { copyFrom } from "../ui/clipboard.jsx";
import { chunks } from "./chunk_store.jsx";
import { createPartView } from "./part_views.jsx";
import { createSlices, createThrottle } from "./scheduling.jsx";

const RUNNING = new Set(["queued", "running"]);

const slices = createSlices();

/**
 * A message as the page knows it.
 *
 * @typedef {{
 *   parts?: Record<string, any>[],
 *   streamId?: string,
 *   status?: string,
 *   message?: string,
 * }} Message `parts`: those that travelled with the list; a reasoning part without its text.
 *   `message`: its id.
 */

/**
 * Render a message into an element.
 *
 * @param {HTMLElement} root Empty; gets data-state "waiting" | "live" | "done".
 * @returns {{show: (message: Message) => void, destroy: () => void}}
 */
export function mountMessage(root, { store = chunks } = {}) {
  const throttle = createThrottle(draw);
  let shown = {
    parts: /** @type {Record<string, any>[]} */ ([]),
    streamId: "",
    status: "",
    id: "",
  };
  /** @type {import("./part_views.jsx").PartView[]} */
  let views = [];
  let unsubscribe = () => {};
  /** @type {HTMLElement | null} */
  let waiting = null;

  const entry = () => (shown.streamId ? store.get(shown.streamId) : undefined);

  function isDone() {
    const isRunning = RUNNING.has(shown.status);
    return entry()?.ended || (!isRunning && (shown.parts.length > 0 || !shown.streamId));
  }

  function draw() {
    const streamed = entry()?.parts ?? [];
    // An answer that is continued shows what it had until that comes again.
    const isRunning = RUNNING.has(shown.status);
    const isStored = shown.parts.length > 0 && !(isRunning && streamed.length > 0);
    const parts = isStored ? shown.parts : streamed;
    const done = isDone();
    // Not always the last: a text that is resumed may have parts behind it.
    const changed = isStored ? -1 : (entry()?.growing ?? -1);
    const growing = changed < 0 ? parts.length - 1 : changed;
    trim(parts.length);
    parts.forEach((part, index) => {
      const known = isStored && part.type === "reasoning" ? (streamed[index] ?? part) : part;
      view(index, part.type).update(/** @type {any} */ (known), {
        isDone: done || index !== growing,
        key: `${shown.id || shown.streamId}/${index}`,
        isLoading: part.length > 0 && !known.text,
        requestPart: () => store.requestPart(shown.streamId, index, parts),
      });
    });
    const awaits = !done && (shown.status === "" || isRunning);
    showWaiting(awaits && !isShowing(parts[growing]));
    root.dataset.state = done ? "done" : views.length > 0 ? "live" : "waiting";
  }

  /** @param {number} count */
  function trim(count) {
    for (const old of views.slice(count)) {
      old.destroy();
      old.node.remove();
    }
    views = views.slice(0, count);
  }

  /**
   * @param {number} index
   * @param {string} type
   */
  function view(index, type) {
    const had = views[index];
    if (had?.type === type) return had;
    const made = createPartView(type);
    if (had) {
      had.destroy();
      had.node.replaceWith(made.node);
    } else root.insertBefore(made.node, waiting);
    views[index] = made;
    return made;
  }

  /** @param {boolean} wanted */
  function showWaiting(wanted) {
    if (wanted && !waiting) {
      waiting = document.createElement("span");
      waiting.className = "ct-waiting";
      waiting.setAttribute("role", "img");
      waiting.setAttribute("aria-label", "Waiting for the answer");
      for (let dot = 0; dot < 3; dot += 1) waiting.append(document.createElement("i"));
      root.append(waiting);
    } else if (!wanted && waiting) {
      waiting.remove();
      waiting = null;
    }
  }

  /** @param {MouseEvent} event */
  function click({ target }) {
    /** @type {HTMLButtonElement | null | undefined} */
    const button = target instanceof Element ? target.closest("button") : null;
    if (button?.dataset.note !== undefined) goToNote(root, button);
    if (!button?.matches(".ct-copy")) return;
    const code = button?.closest(".ct-code")?.querySelector("code");
    if (code) copyFrom(button, code.textContent);
  }
  root.addEventListener("click", click);

  return {
    show({ parts = [], streamId = "", status = "", message = "" }) {
      if (streamId !== shown.streamId) {
        unsubscribe();
        unsubscribe = streamId ? store.subscribe(streamId, throttle.request) : () => {};
      }
      const goesOn = RUNNING.has(status) && !RUNNING.has(shown.status);
      shown = { parts, streamId, status, id: message };
      if (streamId && goesOn) store.reopen(streamId);
      if (streamId && status && !RUNNING.has(status) && !isDone()) store.awaitEnd(streamId);
      throttle.cancel();
      // A page of old messages at once would hold up the page while the user scrolls.
      if (isDone() && views.length === 0) slices.request(draw);
      else draw();
    },
    destroy() {
      unsubscribe();
      throttle.cancel();
      slices.cancel(draw);
      root.removeEventListener("click", click);
      showWaiting(false);
      trim(0);
      delete root.dataset.state;
    },
  };
}

/**
 * From the reference to its footnote, or back.
 *
 * @param {HTMLElement} root
 * @param {HTMLButtonElement} button
 */
function goToNote(root, button) {
  const other = button.matches(".ct-note-ref") ? "ct-note-back" : "ct-note-ref";
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = root.querySelectorAll(`button.${other}`);
  const all = [...buttons];
  const wanted = all.find(({ dataset }) => dataset.note === button.dataset.note);
  wanted?.scrollIntoView({ block: "nearest" });
  wanted?.focus({ preventScroll: true });
}

/**
 * Whether a part shows that the answer goes on.
 *
 * @param {Record<string, any> | undefined} part The one that grows.
 */
function isShowing(part) {
  if (part?.type === "reasoning") return part.seconds === undefined;
  return part?.type === "text";
}
