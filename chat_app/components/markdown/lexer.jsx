// @ts-check
// Markdown to tokens, by marked: GFM, where a line end inside a paragraph is kept.

import { Lexer } from "marked";

/**
 * A token of marked, with the fields that are read here.
 *
 * @typedef {{
 *   type: string,
 *   raw: string,
 *   text: string,
 *   tokens?: Token[],
 *   depth?: number,
 *   lang?: string,
 *   href?: string,
 *   ordered?: boolean,
 *   start?: number | "",
 *   loose?: boolean,
 *   items?: Token[],
 *   task?: boolean,
 *   checked?: boolean,
 *   align?: (string | null)[],
 *   header?: Cell[],
 *   rows?: Cell[][],
 * }} Token
 *
 * @typedef {{text: string, tokens: Token[], align: string | null}} Cell
 *
 * @typedef {import("marked").Links} Links Link definitions, by label.
 */

/** Levels of nesting; deeper ones are shown as text. */
export const DEEPEST = 32;

const TOO_DEEP = new RegExp(`^(?:[ \\t]*(?:>|(?:[-+*]|\\d{1,9}[.)])(?=[ \\t]))){${DEEPEST}}`, "m");

/**
 * @param {string} source Markdown with \n line ends.
 * @param {Links} links Link definitions that came earlier in the same message.
 * @returns {{tokens: Token[], links: Links}} The tokens' `raw` texts join to the source.
 */
export function lex(source, links = {}) {
  const lexer = lexerWith(links);
  if (TOO_DEEP.test(source)) return { tokens: [plain(source)], links };
  try {
    const tokens = lexer.lex(source);
    return { tokens: /** @type {Token[]} */ ([...tokens]), links: tokens.links };
  } catch {
    // Nested deeper than the stack: the text is still shown.
    return { tokens: [plain(source)], links };
  }
}

/**
 * The tokens of the text inside a block.
 *
 * @param {string} text
 * @param {Links} links
 * @returns {Token[]}
 */
export function lexInline(text, links = {}) {
  return /** @type {Token[]} */ (lexerWith(links).inlineTokens(text));
}

/** @param {Links} links */
function lexerWith(links) {
  const lexer = new Lexer({ gfm: true, breaks: true, silent: true });
  Object.assign(lexer.tokens.links, links);
  return lexer;
}

/**
 * @param {string} source
 * @returns {Token}
 */
function plain(source) {
  return { type: "html", raw: source, text: source };
}
