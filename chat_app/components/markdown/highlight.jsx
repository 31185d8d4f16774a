// @ts-check
// Syntax highlighting of closed code blocks, one block at a time and only while the page has nothing to do.

import DOMPurify from "dompurify";
import { languageOfElement } from "./markdown.jsx";
import { whenIdle } from "./scheduling.jsx";

const LONGEST = 40_000; // UTF-16 code units; colouring more would hold the page up
const CLEAN = {
  ALLOWED_TAGS: ["span"],
  ALLOWED_ATTR: ["class"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** @type {Element[]} */
const waiting = [];
/** @type {Promise<typeof import("./languages.jsx")> | null} */
let loaded = null;
let running = false;

/**
 * Highlight the code blocks in `node` soon.
 *
 * @param {Element} node
 */
export function highlightLater(node) {
  for (const code of node.querySelectorAll("pre > code")) {
    if (languageOfElement(code)) waiting.push(code);
  }
  if (running || waiting.length === 0) return;
  running = true;
  loaded ??= import("./languages.jsx");
  loaded.then(({ highlight }) => next(highlight));
}

/** @typedef {typeof import("./languages.jsx").highlight} Highlight */

/** @param {Highlight} highlight */
function next(highlight) {
  if (waiting.length === 0) {
    running = false;
    return;
  }
  whenIdle(() => {
    const code = waiting.shift();
    if (code) highlightCode(code, highlight);
    next(highlight);
  });
}

/**
 * @param {Element} code
 * @param {Highlight} highlight
 */
function highlightCode(code, highlight) {
  const text = code.textContent;
  if (!code.isConnected || text.length > LONGEST) return;
  const html = highlight(text, languageOfElement(code));
  if (html === null) return;
  const fragment = /** @type {DocumentFragment} */ (
    /** @type {unknown} */ (DOMPurify.sanitize(html, CLEAN))
  );
  // Highlighting may never change what is read or copied.
  if (fragment.textContent === text) code.replaceChildren(fragment);
}
