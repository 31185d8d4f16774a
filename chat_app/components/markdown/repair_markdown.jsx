// @ts-check
// Repairs incomplete Markdown: while a text streams, its last words are read as if the marks in them
// were closed, so that bold text is bold from its first letter and a URL never shows before it has
// become a link. The npm package `remend` does the same, but it is 15 KB instead of one, takes 2 to 5
// times as long a call, inserts zero-width characters and hides the brackets of "[1]".

import { lexInline } from "./inline.jsx";

const HOLDERS = new Set(["blockquote", "details", "note"]);
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
  const leaf = lastLeaf(tokens);
  if (!leaf || leaf.text.length > LONGEST || leaf.tokens?.[0]?.type === "checkbox") return false;
  const repaired = closeOpenMarks(leaf.text);
  if (repaired === leaf.text) return false;
  leaf.tokens = lexInline(repaired, references).tokens;
  return true;
}

// The token whose text comes last. A list item on the way to it is marked as changed.
/**
 * @param {Token[]} tokens
 * @returns {Token | null}
 */
function lastLeaf(tokens) {
  const last = tokens.at(-1);
  if (last?.type === "list") {
    const item = last.items?.at(-1);
    const leaf = lastLeaf(item?.tokens ?? []);
    if (item && leaf) item.raw += "\0";
    return leaf;
  }
  if (last && HOLDERS.has(last.type)) return lastLeaf(last.tokens ?? []);
  return last?.tokens && ["paragraph", "heading", "text"].includes(last.type) ? last : null;
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
