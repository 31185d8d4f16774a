// A person's own words: shown as they were typed, no Markdown.

import { frames } from "./frames.jsx";

/** Like `mountMessage`, for text that is not an answer. */
export function mountPlain(root, { store = frames } = {}) {
  const node = document.createTextNode("");
  root.append(node);
  let message = { text: "", run: "" };
  let unsubscribe = () => {};

  function draw() {
    const text = message.text || (store.get(message.run)?.text ?? "");
    if (node.data !== text) node.data = text;
    root.dataset.state = text ? "done" : "waiting";
  }

  return {
    show({ text = "", run = "" }) {
      if (run !== message.run) {
        unsubscribe();
        unsubscribe = run ? store.subscribe(run, draw) : () => {};
      }
      message = { text, run };
      draw();
    },
    destroy() {
      unsubscribe();
      node.remove();
      delete root.dataset.state;
    },
  };
}
