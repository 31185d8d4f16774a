// @ts-check
// The DOM of one message, without React: the stored text, or the running answer's text out of the
// chunk store, whichever is longer.

import { copyFrom } from "../ui/clipboard.jsx";
import { Blocks } from "./blocks.jsx";
import { chunks } from "./chunk_store.jsx";
import { highlightLater } from "./highlight.jsx";
import { createSlices, createThrottle, whenIdle } from "./scheduling.jsx";

const RUNNING = new Set(["queued", "running"]);

const slices = createSlices();

/**
 * Render a message into an element.
 *
 * @param {HTMLElement} root Empty; gets data-state "waiting" | "live" | "done".
 * @returns {{
 *   show: (message: {text?: string, streamId?: string, status?: string}) => void,
 *   destroy: () => void,
 * }}
 */
export function mountMessage(root, { store = chunks } = {}) {
  const blocks = new Blocks(root, highlightLater);
  const throttle = createThrottle(draw);
  let message = { text: "", streamId: "", status: "" };
  let unsubscribe = () => {};
  /** @type {HTMLElement | null} */
  let thinking = null;
  let mounted = true;

  function now() {
    const entry = message.streamId ? store.get(message.streamId) : undefined;
    const streamed = entry?.text ?? "";
    const text = streamed.length > message.text.length ? streamed : message.text;
    const over = !RUNNING.has(message.status) && (message.text !== "" || !message.streamId);
    const ended = entry?.ended || over;
    return { text: ended && message.text ? message.text : text, ended };
  }

  function draw() {
    const { text, ended } = now();
    root.dataset.state = ended ? "done" : text ? "live" : "waiting";
    think(!ended && !text && (message.status === "" || RUNNING.has(message.status)));
    if (!ended) blocks.update(text);
    else if (blocks.isEmpty) blocks.finish(text);
    else {
      blocks.update(text);
      whenIdle(finalize);
    }
  }

  function finalize() {
    const { text, ended } = now();
    if (mounted && ended) blocks.finish(text);
  }

  /** @param {boolean} wanted */
  function think(wanted) {
    if (wanted && !thinking) {
      thinking = document.createElement("span");
      thinking.className = "ct-thinking";
      thinking.setAttribute("role", "img");
      thinking.setAttribute("aria-label", "Thinking");
      for (let dot = 0; dot < 3; dot += 1) thinking.append(document.createElement("i"));
      root.append(thinking);
    } else if (!wanted && thinking) {
      thinking.remove();
      thinking = null;
    }
  }

  /** @param {MouseEvent} event */
  function click({ target }) {
    /** @type {HTMLButtonElement | null | undefined} */
    const button = target instanceof Element ? target.closest("button.ct-copy") : null;
    const code = button?.closest(".ct-code")?.querySelector("code");
    if (button && code) copyFrom(button, code.textContent);
  }
  root.addEventListener("click", click);

  return {
    show({ text = "", streamId = "", status = "" }) {
      if (streamId !== message.streamId) {
        unsubscribe();
        unsubscribe = streamId ? store.subscribe(streamId, throttle.request) : () => {};
      }
      message = { text, streamId, status };
      throttle.cancel();
      // A page of old messages at once would hold up the page while the user scrolls.
      if (now().ended && blocks.isEmpty) slices.request(draw);
      else draw();
    },
    destroy() {
      mounted = false;
      unsubscribe();
      throttle.cancel();
      slices.cancel(draw);
      root.removeEventListener("click", click);
      think(false);
      blocks.clear();
      delete root.dataset.state;
    },
  };
}
