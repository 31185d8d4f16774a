// @ts-check
// Syntax highlighting of code blocks, one block at a time and only while the page has nothing to do.

import DOMPurify from "dompurify";
import { patchChildren } from "./dom_patch.jsx";
import { languageOfElement } from "./markdown.jsx";
import { whenIdle } from "./scheduling.jsx";

const LONGEST = 40_000; // UTF-16 code units of a block that is coloured
const FIRST = 2_000; // UTF-16 code units that are coloured to learn what the block costs
const MOST_MS = 160; // what colouring a block may be expected to take
const CLEAN = {
  ALLOWED_TAGS: ["span"],
  ALLOWED_ATTR: ["class"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** @type {Set<Element>} */
const waiting = new Set();
/** @type {WeakMap<Element, string>} By `code` element: its text when it was coloured. */
const coloured = new WeakMap();
/** @type {Promise<typeof import("./languages.jsx")> | null} */
let loaded = null;
/** @type {Highlight | null} */
let loadedHighlight = null;
let isRunning = false;

/**
 * Highlight the last code block in `node` now, or once the highlighter is loaded; and the others soon.
 *
 * @param {Element} node
 */
export function highlightNow(node) {
  const codes = codesIn(node);
  const last = loadedHighlight && codes.pop();
  if (last && loadedHighlight) highlightCode(last, loadedHighlight);
  wait(codes);
}

// Those that have no colours yet, or more text than that.
/** @param {Element} node */
function codesIn(node) {
  const codes = [...node.querySelectorAll("pre > code")];
  return codes.filter((code) => languageOfElement(code) && !isColoured(code));
}

/** @param {Element} code */
function isColoured(code) {
  return code.firstElementChild !== null && coloured.get(code) === code.textContent;
}

/**
 * Highlight the code blocks in `node` soon.
 *
 * @param {Element} node
 */
export function highlightLater(node) {
  wait(codesIn(node));
}

/** @param {Element[]} codes */
function wait(codes) {
  for (const code of codes) waiting.add(code);
  if (isRunning || waiting.size === 0) return;
  isRunning = true;
  loaded ??= import("./languages.jsx");
  loaded.then(
    ({ highlight }) => {
      loadedHighlight = highlight;
      next(highlight);
    },
    () => {
      // Offline, or a new version was installed: the next block tries again.
      loaded = null;
      isRunning = false;
      waiting.clear();
    },
  );
}

/** @typedef {typeof import("./languages.jsx").highlight} Highlight */

/** @param {Highlight} highlight */
function next(highlight) {
  const [code] = waiting;
  if (!code) {
    isRunning = false;
    return;
  }
  whenIdle(() => {
    waiting.delete(code);
    highlightCode(code, highlight);
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
  const html = highlightWithin(text, languageOfElement(code), highlight);
  if (html === null) return;
  const fragment = /** @type {DocumentFragment} */ (
    /** @type {unknown} */ (DOMPurify.sanitize(html, CLEAN))
  );
  // Highlighting may never change what is read or copied.
  if (fragment.textContent !== text) return;
  const fresh = /** @type {Element} */ (code.cloneNode(false));
  fresh.append(fragment);
  patchChildren(code, fresh);
  coloured.set(code, text);
}

// A grammar may need time that grows with the square of the text. So a long text is coloured from its
// beginning, twice as much each time, and given up when the next step could hold up the page.
/**
 * @param {string} text
 * @param {string} language
 * @param {Highlight} highlight
 */
function highlightWithin(text, language, highlight) {
  for (let size = FIRST; size < text.length; size *= 2) {
    const start = performance.now();
    if (highlight(text.slice(0, size), language) === null) return null;
    if ((performance.now() - start) * 4 > MOST_MS) return null;
  }
  return highlight(text, language);
}
