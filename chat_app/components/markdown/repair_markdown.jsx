// @ts-check
// Repairs incomplete Markdown: while a text streams, its last words are read as if the marks in them
// were closed, so that bold text is bold from its first letter and a URL never shows before it has
// become a link. The npm package `remend` does the same, but it is 15 KB instead of one, takes 2 to 5
// times as long a call, inserts zero-width characters and hides the brackets of "[1]".

import { lexInline } from "./inline.jsx";

const HOLDERS = new Set(["blockquote", "details", "item", "note"]);
const LEAVES = new Set(["paragraph", "heading", "text"]);
const LONGEST = 2000; // UTF-16 code units; the patterns below may look at each pair of them

const ESCAPES = /\\[\s\S]/g;
const CODE = /(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g;
const OPEN_CODE = /(?<!`)(`+)[^`]+$/;
const OPEN_LINK = /!?\[([^\]\n]*)\]\([^)\n]*$/;
const TRAILING_MARKS = /[*`~\s]+$/;

/** @typedef {import("./lexer.jsx").Token} Token */

/**
 * Change the tokens of an open tail in place.
 *
 * @param {Token[]} tokens
 * @param {import("./inline.jsx").References} references
 * @returns {boolean} Whether they now differ from the text as it stands.
 */
export function repairMarkdown(tokens, references) {
  const path = pathToLeaf(tokens);
  const leaf = path.at(-1);
  if (!leaf || leaf.text.length > LONGEST || leaf.tokens?.[0]?.type === "checkbox") return false;
  const repaired = closeOpenMarks(leaf.text);
  if (repaired === leaf.text) return false;
  leaf.tokens = lexInline(repaired, references).tokens;
  for (const token of path) token.isRepaired = true;
  return true;
}

// The token whose text comes last, after those that hold it; none when what comes last is no text.
/**
 * @param {Token[]} tokens
 * @param {Token[]} above
 * @returns {Token[]}
 */
function pathToLeaf(tokens, above = []) {
  const last = tokens.at(-1);
  if (!last) return [];
  const path = [...above, last];
  if (last.type === "list") return pathToLeaf(last.items ?? [], path);
  if (HOLDERS.has(last.type)) return pathToLeaf(last.tokens ?? [], path);
  return last.tokens && LEAVES.has(last.type) ? path : [];
}

/**
 * Close what is open at the end of a text, and hide what is still ambiguous.
 *
 * @param {string} text
 */
export function closeOpenMarks(text) {
  const body = text.replace(TRAILING_MARKS, "");
  if (body.endsWith("\\")) return text;
  const shown = body
    .replace(OPEN_LINK, (_, label, at) => (body[at] === "!" ? "" : label))
    .trimEnd();
  const closed = shown + openMarks(shown);
  return text.trimEnd() === closed ? text : closed;
}

/** @param {string} text */
function openMarks(text) {
  const words = text.replace(ESCAPES, "").replace(CODE, "");
  const code = OPEN_CODE.exec(words);
  if (code) return code[1] + openEmphasis(words.slice(0, code.index));
  return openEmphasis(words);
}

/** @param {string} words */
function openEmphasis(words) {
  /** @type {string[]} */
  const open = [];
  for (const [mark] of words.matchAll(/(?<![\w*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?!\*)|~~/g)) {
    if (open.at(-1) === mark) open.pop();
    else open.push(mark);
  }
  return open.reverse().join("");
}
