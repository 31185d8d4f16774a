// @ts-check
// KaTeX, sanitized: nothing a formula can hold runs, requests anything, or is drawn outside of its
// message. Loaded when the first formula is.

import DOMPurify from "dompurify";
import katex from "katex";
// @ts-expect-error: styles have no types
import "katex/dist/katex.min.css";

const OPTIONS = {
  output: /** @type {const} */ ("htmlAndMathml"),
  strict: /** @type {const} */ ("ignore"),
  throwOnError: true,
  trust: false,
  maxExpand: 200, // macros that are replaced in one formula
  maxSize: 20, // em
};

const CLEAN = {
  IN_PLACE: true,
  ALLOWED_TAGS: (
    "span svg path line math semantics annotation mrow mi mn mo ms mtext mspace mfrac msqrt mroot " +
    "mstyle msub msup msubsup munder mover munderover mmultiscripts mprescripts mtable mtr mtd " +
    "mlabeledtr mpadded mphantom menclose #text"
  ).split(" "),
  ALLOWED_ATTR: (
    "class style aria-hidden xmlns width height viewBox preserveAspectRatio d x1 x2 y1 y2 " +
    "stroke-width encoding display mathvariant mathcolor mathbackground stretchy fence separator " +
    "lspace rspace minsize maxsize linethickness accent accentunder displaystyle scriptlevel depth " +
    "voffset columnalign columnspacing columnlines rowspacing rowlines notation symmetric largeop " +
    "movablelimits"
  ).split(" "),
  ALLOW_DATA_ATTR: false,
};

// What KaTeX sets, and no value that could name a file or leave the flow.
const STYLES = new Set(
  (
    "color background-color border-color border-style border-top-width border-right-width " +
    "border-bottom-width border-left-width border-right-style height width min-width top bottom " +
    "left margin-top margin-right margin-left margin-bottom padding-left position vertical-align"
  ).split(" "),
);
const VALUE =
  /^(?:-?\d*\.?\d+(?:em|ex|px|%)?|#[\da-f]{3,8}|rgba?\([\d., %]+\)|calc\([\d.%em +-]+\)|(?!fixed|absolute|sticky)[a-z]+)$/i;

const sanitizer = DOMPurify(window);
sanitizer.addHook("uponSanitizeElement", (node) => {
  const { style } = /** @type {HTMLElement} */ (node);
  if (!style) return;
  for (const name of [...style]) {
    if (!STYLES.has(name) || !VALUE.test(style.getPropertyValue(name))) style.removeProperty(name);
  }
});

/**
 * Typeset a formula.
 *
 * @param {string} tex
 * @param {boolean} display Whether it stands on a line of its own.
 * @returns {HTMLElement | null} null when it is no TeX that KaTeX knows.
 */
export function typeset(tex, display) {
  const made = document.createElement("span");
  made.className = "ct-formula";
  try {
    katex.render(tex, made, { ...OPTIONS, displayMode: display, macros: {} });
  } catch {
    return null;
  }
  sanitizer.sanitize(made, CLEAN);
  // What is copied is the source beside it.
  made.style.webkitUserSelect = made.style.userSelect = "none";
  return made;
}
