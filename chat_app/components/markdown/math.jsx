// @ts-check
// Formulas, typeset by KaTeX one at a time and only while the page has nothing to do. The typesetter
// is loaded when the first formula is.

import { whenIdle } from "./scheduling.jsx";
import { texOf } from "./tex_source.jsx";

const SHOWN = "ct-typeset";

/** @type {Set<Element>} */
const waiting = new Set();
/** @type {Promise<typeof import("./katex.jsx")> | null} */
let loaded = null;
let isRunning = false;

/**
 * Typeset the formulas in `node` soon.
 *
 * @param {Element} node
 */
export function typesetLater(node) {
  for (const formula of node.querySelectorAll(`.ct-math:not(.${SHOWN})`)) waiting.add(formula);
  if (node.matches(`.ct-math:not(.${SHOWN})`)) waiting.add(node);
  if (isRunning || waiting.size === 0) return;
  isRunning = true;
  // The same function is added once only.
  document.addEventListener("copy", copySources);
  loaded ??= import("./katex.jsx");
  loaded.then(
    ({ typeset }) => next(typeset),
    () => {
      // Offline, or a new version was installed: the source stays, and the next formula tries again.
      loaded = null;
      isRunning = false;
      waiting.clear();
    },
  );
}

/** @typedef {typeof import("./katex.jsx").typeset} Typeset */

/** @param {Typeset} typeset */
function next(typeset) {
  const [formula] = waiting;
  if (!formula) {
    isRunning = false;
    return;
  }
  whenIdle(() => {
    waiting.delete(formula);
    if (formula.isConnected) show(formula, typeset);
    next(typeset);
  });
}

/**
 * @param {Element} formula
 * @param {Typeset} typeset
 */
function show(formula, typeset) {
  const source = formula.firstElementChild;
  const found = texOf(source?.textContent ?? "");
  const made = found && typeset(found.tex, formula.classList.contains("ct-display"));
  formula.classList.add(SHOWN);
  if (!source || !made) return;
  // The source stays for copying; a screen reader reads the formula.
  source.setAttribute("aria-hidden", "true");
  source.className = "ct-tex ct-tex-hidden";
  formula.append(made, ...(found.after ? [found.after] : []));
}

// A formula is drawn with boxes, whose line ends and spaces a copy would have: while the text of the
// selection is made, only the sources are there.
/** @param {ClipboardEvent} event */
function copySources(event) {
  const selection = getSelection();
  if (!selection || selection.rangeCount === 0 || event.defaultPrevented) return;
  /** @type {NodeListOf<HTMLElement>} */
  const all = document.querySelectorAll(".ct-formula");
  const formulas = [...all].filter((formula) => selection.containsNode(formula, true));
  if (formulas.length === 0) return;
  for (const formula of formulas) formula.hidden = true;
  const text = String(selection);
  for (const formula of formulas) formula.hidden = false;
  const holder = document.createElement("div");
  holder.append(selection.getRangeAt(0).cloneContents());
  for (const formula of holder.querySelectorAll(".ct-formula")) formula.remove();
  event.clipboardData?.setData("text/plain", text);
  event.clipboardData?.setData("text/html", holder.innerHTML);
  event.preventDefault();
}
