// @ts-check
// The user's own text: shown as it was typed, no Markdown.

import { chunks, textOf } from "./chunk_store.jsx";
import { cleanText } from "./clean_text.jsx";

/**
 * Like `mountMessage`, for text that is not an answer.
 *
 * @param {HTMLElement} root
 * @returns {ReturnType<typeof import("./message_view.jsx").mountMessage>}
 */
export function mountPlain(root, { store = chunks } = {}) {
  const node = document.createTextNode("");
  root.append(node);
  let message = { parts: /** @type {Record<string, any>[]} */ ([]), streamId: "" };
  let unsubscribe = () => {};

  function draw() {
    const given = textOf(message.parts) || textOf(store.get(message.streamId)?.parts ?? []);
    const text = cleanText(given);
    if (node.data !== text) node.data = text;
    root.dataset.state = text ? "done" : "waiting";
  }

  return {
    show({ parts = [], streamId = "" }) {
      if (streamId !== message.streamId) {
        unsubscribe();
        unsubscribe = streamId ? store.subscribe(streamId, draw) : () => {};
      }
      message = { parts, streamId };
      draw();
    },
    destroy() {
      unsubscribe();
      node.remove();
      delete root.dataset.state;
    },
  };
}
