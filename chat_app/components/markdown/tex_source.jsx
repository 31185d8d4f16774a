// @ts-check
// Which text is math: what stands between \( \), \[ \], $$ $$, and $ $ where it is no price.

const LONGEST = 2_000; // UTF-16 code units of one formula
const WORD = /[A-Za-z\d]/;
const PRICE = /^[\d.,]+/;
const WORDS = /(?<!\\[A-Za-z]*)[A-Za-z]{2,}/;
const TEX = /[\\^_=+*/<>{}|\d-]/;
const SURELY_TEX = /[\\^_={}]/;
const LETTER = /[\p{L}\d]/u;

const BLOCK_OPEN = /(\$\$|\\\[)/y;
const CLOSES = /** @type {Record<string, string>} */ ({ $$: "$$", "\\[": "\\]" });
const AFTER = /^[ \t]*[.,;:]?[ \t]*$/;

/**
 * Whether the text between two marks inside a paragraph is math.
 *
 * @param {string} text
 * @param {number} at Where the opening mark stands.
 * @param {string} open The opening mark.
 * @param {number} end Where the closing mark stands.
 */
export function inlineMath(text, at, open, end) {
  const from = at + open.length;
  if (end - from > LONGEST) return false;
  const tex = text.slice(from, end);
  if (!LETTER.test(tex) || tex.includes("`")) return false;
  switch (open) {
    case "$":
      return isDollarMath(tex, text[at - 1] ?? "", text[end + 1] ?? "");
    case "\\[":
      // "\[text\](url)" is a link that was escaped.
      return !tex.includes(open) && !"([:".includes(text[end + 2] || " ") && isTex(tex);
    case "\\(":
      return !tex.includes(open) && isTex(tex);
    default:
      return true;
  }
}

/**
 * @param {string} tex
 * @param {string} before The character before the first dollar.
 * @param {string} after The character after the second.
 */
function isDollarMath(tex, before, after) {
  if (WORD.test(before) || before === "$" || WORD.test(after) || after === "$") return false;
  if (tex !== tex.trim()) return false;
  return !(PRICE.test(tex) && WORDS.test(tex));
}

// "\(see above\)" is a remark whose parentheses were escaped.
/** @param {string} tex */
function isTex(tex) {
  return TEX.test(tex) || !WORDS.test(tex);
}

/**
 * @typedef {{close: string, source: string, isClosed: boolean}} BlockMath
 */

/**
 * What a line begins that opens a block of math.
 *
 * @param {string} line
 * @param {number} at Where its text begins.
 * @returns {BlockMath | null}
 */
export function openBlockMath(line, at) {
  BLOCK_OPEN.lastIndex = at;
  const open = BLOCK_OPEN.exec(line)?.[1];
  if (!open) return null;
  const close = CLOSES[open];
  const rest = line.slice(at + open.length);
  const end = rest.indexOf(close);
  const tex = end < 0 ? rest : rest.slice(0, end);
  if (end >= 0 && (!AFTER.test(rest.slice(end + 2)) || !LETTER.test(tex))) return null;
  const isSure = end < 0 ? SURELY_TEX.test(tex) : isTex(tex);
  if (open === "\\[" && tex.trim() && !isSure) return null;
  return { close, source: line.slice(at), isClosed: end >= 0 };
}

/**
 * Whether a further line of a block of math closes it, or null when it shows that it is none.
 *
 * @param {string} line
 * @param {string} close
 */
export function closesBlockMath(line, close) {
  const end = line.indexOf(close);
  if (end < 0) return false;
  return AFTER.test(line.slice(end + close.length)) || null;
}

/**
 * @param {string} source A formula with the marks around it.
 * @returns {{tex: string, after: string} | null} The formula, and the punctuation that follows it.
 */
export function texOf(source) {
  const text = source.trim();
  for (const [open, close] of [
    ["$$", "$$"],
    ["\\[", "\\]"],
    ["\\(", "\\)"],
    ["$", "$"],
  ]) {
    if (!text.startsWith(open)) continue;
    const end = text.lastIndexOf(close);
    if (end < open.length || end - open.length > LONGEST) return null;
    return {
      tex: text.slice(open.length, end).trim(),
      after: text.slice(end + close.length).trim(),
    };
  }
  return null;
}
