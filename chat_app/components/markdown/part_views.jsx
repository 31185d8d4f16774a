// @ts-check
// The DOM of one part of an answer, by its kind, without React.
//
// text        div.ct-part > Markdown; see markdown.jsx
// reasoning   details.ct-reasoning[data-running] > summary + div.ct-part > Markdown or p.ct-loading
// notice      p.ct-notice
// other parts p.ct-notice, which says that it can't be shown

import { Blocks } from "./blocks.jsx";
import { nestHeadings } from "./headings.jsx";
import { highlightLater } from "./highlight.jsx";
import { whenIdle } from "./scheduling.jsx";
import { watchOverflow } from "./scroll_stops.jsx";

/**
 * @typedef {Record<string, any> & {type: string, text: string}} Part
 *
 * @typedef {{
 *   isDone: boolean,
 *   key: string,
 *   isLoading: boolean,
 *   requestPart: () => void,
 * }} PartContext `isDone`: nothing more comes; `key`: the part's own, as long as the page is open;
 *   `isLoading`: its text is not here yet; `requestPart`: requests it.
 *
 * @typedef {{
 *   type: string,
 *   node: HTMLElement,
 *   update: (part: Part, context: PartContext) => void,
 *   destroy: () => void,
 * }} PartView
 */

const MINUTE = 60; // seconds
const MAX_CHOICES = 500;

/** @type {Map<string, boolean>} By a part's key: whether the user opened it, or closed it. */
const choices = new Map();

/**
 * @param {string} type
 * @returns {PartView}
 */
export function createPartView(type) {
  if (type === "text") return createText();
  if (type === "reasoning") return createReasoning();
  return createNotice(type);
}

/** @returns {PartView} */
function createText() {
  const node = document.createElement("div");
  node.className = "ct-part";
  const markdown = growingMarkdown(node);
  return {
    type: "text",
    node,
    update: ({ text }, { isDone }) => markdown.show(text, isDone),
    destroy: markdown.clear,
  };
}

/**
 * Markdown that grows in an element. Cleaned up when the page is idle after its end.
 *
 * @param {HTMLElement} node
 */
function growingMarkdown(node) {
  const blocks = new Blocks(node, (block) => {
    watchOverflow(block);
    highlightLater(block);
  });
  /** @type {string | null} */
  let last = null; // the whole text, once it is over

  /** @param {string} text */
  function finish(text) {
    blocks.finish(text);
    nestHeadings(node);
  }

  return {
    /**
     * @param {string} text
     * @param {boolean} isDone
     */
    show(text, isDone) {
      if (isDone && text === last) return;
      last = isDone ? text : null;
      if (isDone && blocks.isEmpty) {
        finish(text);
        return;
      }
      blocks.update(text);
      watchOverflow(node.lastElementChild);
      if (!isDone) return;
      whenIdle(() => {
        if (last === text) finish(text);
      });
    },
    clear() {
      last = null;
      blocks.clear();
    },
    get isEmpty() {
      return blocks.isEmpty;
    },
  };
}

/** @returns {PartView} */
function createReasoning() {
  const node = document.createElement("details");
  node.className = "ct-reasoning";
  const summary = document.createElement("summary");
  const body = document.createElement("div");
  body.className = "ct-part";
  node.append(summary, body);
  const markdown = growingMarkdown(body);
  /** @type {HTMLElement | null} */
  let loading = null;
  let wanted = false; // open, as far as this object knows
  /** @type {[Part, PartContext] | null} */
  let latest = null;

  function draw() {
    if (!latest || !node.open) return;
    const [part, { isDone, isLoading, requestPart }] = latest;
    if (!isLoading) {
      loading?.remove();
      loading = null;
      markdown.show(part.text ?? "", isDone);
    } else if (!loading && markdown.isEmpty) {
      loading = document.createElement("p");
      loading.className = "ct-loading";
      loading.textContent = "Loading…";
      body.append(loading);
      requestPart();
    }
  }

  node.addEventListener("toggle", () => {
    // Opened or closed by the user, or by the browser's search in the page.
    if (node.open !== wanted && latest) {
      wanted = node.open;
      remember(latest[1].key, wanted);
    }
    if (!node.open) {
      loading?.remove(); // opened again, it is requested again
      loading = null;
    }
    draw();
  });

  return {
    type: "reasoning",
    node,
    update(part, context) {
      latest = [part, context];
      const isRunning = !context.isDone && part.seconds === undefined;
      const title = isRunning ? "Thinking…" : thoughtFor(part.seconds);
      if (summary.textContent !== title) summary.textContent = title;
      node.dataset.running = String(isRunning);
      const open = choices.get(context.key) ?? isRunning;
      if (open !== wanted && node.open === wanted) node.open = wanted = open;
      draw();
    },
    destroy: markdown.clear,
  };
}

/**
 * @param {string} key
 * @param {boolean} isOpen
 */
function remember(key, isOpen) {
  if (choices.size === MAX_CHOICES) choices.clear();
  choices.set(key, isOpen);
}

/** @param {number | undefined} seconds */
function thoughtFor(seconds) {
  if (seconds === undefined) return "Thought";
  const whole = Math.max(1, Math.round(seconds));
  if (whole < MINUTE) return `Thought for ${whole} s`;
  return `Thought for ${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
}

/**
 * @param {string} type
 * @returns {PartView}
 */
function createNotice(type) {
  const node = document.createElement("p");
  node.className = "ct-notice";
  return {
    type,
    node,
    update({ text }) {
      const words = type === "notice" ? text : "Part of this answer can't be shown yet.";
      if (node.textContent !== words) node.textContent = words;
    },
    destroy() {},
  };
}
