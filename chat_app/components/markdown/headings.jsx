// @ts-check
// The outline of an answer, as it is read aloud. The page has its own title, and each message a
// heading that only a screen reader sees: the headings of an answer stand below that one, whatever
// level they begin with, and skip none on their way down.

const ANSWER = 2; // the level of the message's own heading
const DEEPEST = 6;

/**
 * Give each heading of an answer that is over its level.
 *
 * @param {Element} root
 */
export function nestHeadings(root) {
  /** @type {number[]} The headings that the next one may stand below, as they were written. */
  const above = [];
  for (const heading of root.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.nodeName.slice(1));
    while (above.length > 0 && above[above.length - 1] >= level) above.pop();
    above.push(level);
    heading.setAttribute("aria-level", String(Math.min(ANSWER + above.length, DEEPEST)));
  }
}
