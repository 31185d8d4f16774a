// @ts-check
// A text as it can be shown: with one kind of line end, and without the marks that no script piles up.

const MOST_MARKS = 32; // on one letter; a browser needs quadratic time to draw them
const TOO_MANY = new RegExp(`(\\p{M}{${MOST_MARKS}})\\p{M}+`, "gu");
const LAST_MARKS = new RegExp(`\\p{M}{1,${MOST_MARKS}}$`, "u");

/**
 * @param {string} text
 * @param {string} before The clean text that it continues.
 */
export function cleanText(text, before = "") {
  const lines = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  const marks = LAST_MARKS.exec(before.slice(-MOST_MARKS))?.[0] ?? "";
  return (marks + lines).replace(TOO_MANY, "$1").slice(marks.length);
}
