// Markdown to tokens, by marked: GFM, where a line end inside a paragraph is kept.

import { Lexer } from "marked";

/** Levels of nesting; deeper ones are shown as text. */
export const DEEPEST = 32;

const TOO_DEEP = new RegExp(
  `^(?:[ \\t]*(?:>|(?:[-+*]|\\d{1,9}[.)])(?=[ \\t]))){${DEEPEST}}`,
  "m",
);

/**
 * @param {string} source Markdown with \n line ends.
 * @param {object} links Link definitions that came earlier in the same message.
 * @returns {{tokens: object[], links: object}} The tokens' `raw` texts join to the source.
 */
export function lex(source, links = {}) {
  const lexer = lexerWith(links);
  if (TOO_DEEP.test(source)) return { tokens: [plain(source)], links };
  try {
    const tokens = lexer.lex(source);
    return { tokens: [...tokens], links: tokens.links };
  } catch {
    // Nested deeper than the stack: the person still gets the text.
    return { tokens: [plain(source)], links };
  }
}

/** The tokens of words inside a block. */
export function lexInline(words, links = {}) {
  return lexerWith(links).inlineTokens(words);
}

function lexerWith(links) {
  const lexer = new Lexer({ gfm: true, breaks: true, silent: true });
  Object.assign(lexer.tokens.links, links);
  return lexer;
}

function plain(source) {
  return { type: "html", raw: source, text: source };
}
