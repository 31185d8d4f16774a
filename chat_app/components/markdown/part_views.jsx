// @ts-check
// The DOM of one part of an answer, by its kind, without React.
//
// text        div.ct-part > Markdown; see markdown.jsx
// reasoning   details.ct-reasoning[data-running] > summary + div.ct-part > Markdown or p.ct-loading
// notice      p.ct-notice
// summary     details.ct-summary > summary + div
// other parts p.ct-notice, which says that it can't be shown

import { Blocks } from "./blocks.jsx";
import { nestHeadings } from "./headings.jsx";
import { highlightLater, highlightNow } from "./highlight.jsx";
import { typesetLater } from "./math.jsx";
import { createThrottle, whenIdle } from "./scheduling.jsx";
import { watchOverflow } from "./scroll_stops.jsx";

/**
 * @typedef {Record<string, any> & {type: string, text: string}} Part
 *
 * @typedef {{
 *   isDone: boolean,
 *   isAtOnce?: boolean,
 *   key: string,
 *   isLoading: boolean,
 *   requestPart: () => void,
 * }} PartContext `isDone`: nothing more comes; `isAtOnce`: the whole text is shown, however long;
 *   `key`: the part's own, as long as the page is open; `isLoading`: its text is not here yet;
 *   `requestPart`: requests it.
 *
 * @typedef {{
 *   type: string,
 *   node: HTMLElement,
 *   update: (part: Part, context: PartContext) => void,
 *   destroy: () => void,
 * }} PartView
 */

const MINUTE = 60; // seconds
// What is shown at once, so that no text holds up the page: so many UTF-16 code units, and so many of
// the characters that elements are made of.
const STEP = 16_000;
const STEP_MARKS = 2_000;
const MARK = /:\/\/|www\.|[\n|*_`~[<$@&.-]/g;
const LINK_MARKS = new Set(["://", "www.", "[", "@"]);
const LINK = 5; // a link costs as much as so many other elements
const OPEN_MS = 100; // between two colourings of a block that grows
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
  if (type === "summary") return createSummary();
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
    update: ({ text }, { isDone, isAtOnce }) => markdown.show(text, isDone, isAtOnce),
    destroy: markdown.clear,
  };
}

/** @param {Element} node */
function decorate(node) {
  if (!node.firstElementChild) return;
  watchOverflow(node);
  highlightLater(node);
  typesetLater(node);
}

/**
 * Where the next piece of a text ends.
 *
 * @param {string} text
 * @param {number} from
 */
function stepEnd(text, from) {
  const piece = text.slice(from, from + STEP);
  let marks = 0;
  for (const { 0: mark, index } of piece.matchAll(MARK)) {
    marks += LINK_MARKS.has(mark) ? LINK : 1;
    if (marks >= STEP_MARKS) return from + index + mark.length;
  }
  return from + piece.length;
}

/**
 * Markdown that grows in an element. Cleaned up when the page is idle after its end.
 *
 * @param {HTMLElement} node
 */
function growingMarkdown(node) {
  /** @type {Element | null} */
  let open = null; // the last block, while it grows
  const colouring = createThrottle(
    () => {
      if (!open?.isConnected) return;
      watchOverflow(open);
      highlightNow(open);
      typesetLater(open);
    },
    { frame: OPEN_MS, share: 8 },
  );
  const blocks = new Blocks(node, decorate, (last) => {
    open = last;
    colouring.request();
  });
  /** @type {string | null} */
  let last = null; // the whole text, once it is over
  let text = "";
  let shown = ""; // what of it is in the element
  let isPlanned = false;

  function grow() {
    isPlanned = false;
    const from = text.startsWith(shown) ? shown.length : 0;
    shown = text.slice(0, stepEnd(text, from));
    blocks.update(shown);
    if (shown.length < text.length) plan();
    else if (last === text) finishLater();
  }

  function plan() {
    if (isPlanned) return;
    isPlanned = true;
    whenIdle(() => {
      if (isPlanned) grow();
    });
  }

  function finishLater() {
    whenIdle(() => {
      if (last === text && shown === text) finish();
    });
  }

  function finish() {
    blocks.finish(text);
    nestHeadings(node);
  }

  return {
    /**
     * @param {string} whole
     * @param {boolean} isDone
     * @param {boolean} isAtOnce
     */
    show(whole, isDone, isAtOnce = false) {
      if (isDone && whole === last) return;
      if (!isDone && last !== null) {
        // It goes on after its end: its last block may not be one.
        blocks.clear();
        shown = "";
      }
      last = isDone ? whole : null;
      text = whole;
      if (isDone && blocks.isEmpty && (isAtOnce || stepEnd(text, 0) === text.length)) {
        shown = text;
        finish();
      } else if (!isPlanned) grow();
    },
    clear() {
      last = null;
      text = shown = "";
      isPlanned = false;
      colouring.cancel();
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

  // Two clicks in a row may be one `toggle`, which changes nothing.
  summary.addEventListener("click", () => {
    if (latest) remember(latest[1].key, !node.open);
  });
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

/**
 * What stands for the messages above in the prompts of models, folded.
 *
 * @returns {PartView}
 */
function createSummary() {
  const node = document.createElement("details");
  node.className = "ct-summary";
  const head = document.createElement("summary");
  const body = document.createElement("div");
  body.dir = "auto";
  node.append(head, body);
  return {
    type: "summary",
    node,
    update({ text, count, origin }) {
      const what = origin === "model" ? "a summary" : "an excerpt";
      const which = count === 1 ? "older message" : "older messages";
      head.textContent = `The model now sees ${what} of ${count} ${which}`;
      if (body.textContent !== text) body.textContent = text;
    },
    destroy() {},
  };
}
