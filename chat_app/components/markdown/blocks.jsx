// @ts-check
// A message that grows. Blocks that can no longer change are closed: rendered once and left alone;
// only the open tail is lexed again. `finish` compares everything with one lexing of the whole text,
// so the way the text was cut on its way here never shows.

import { cleanText } from "./clean_text.jsx";
import { joinTexts } from "./dom_patch.jsx";
import { lex, References } from "./lexer.jsx";
import { languageOf, renderBlock } from "./markdown.jsx";
import { repairMarkdown } from "./repair_markdown.jsx";
import { isSame, revise } from "./revise.jsx";

// A last line of nothing but marks may become a list, a heading, a rule or a table: wait for more.
// So may one that begins a tag, a footnote or a formula.
const MARKS =
  /^(?:[-=+*_#>~`|: \t]+|\d{1,3}[.)]?|[-+*] \[[ xX]?\]?|<\/?[a-z]{0,10}|\[\^[\w-]*\]?|\$\$?|\\[[(]?)$/;
const LONGEST_MARKS = 40;
const FENCE = /^(`{3,}(?!`)|~{3,}(?!~))[^\n]*\n/;

// A browser needs time for every element each time that one of them changes. So the blocks of a
// message have about so many, counted by what makes them; the lines after those are shown as text.
const MOST_ELEMENTS = 20_000;
const MAKES_ONE = /[\n|]/g;
const MAKES_MORE = /`{3,}|~{3,}|\[\^|<details/gi;
const MORE = 3;
const REST = 4_000; // UTF-16 code units of a piece of that text

/**
 * @typedef {import("./lexer.jsx").Token} Token
 *
 * @typedef {{token: Token, node: HTMLElement | null, isStale: boolean}} Block `isStale`: what is shown
 *   is more than the token.
 *
 * @typedef {{
 *   entry: Block,
 *   code: Element,
 *   closing: RegExp,
 *   tick: string,
 *   line: number,
 *   shown: number,
 * }} Fence An open code fence: where its last line begins, and how far it is shown.
 */

export class Blocks {
  #root;
  #onClosed;
  #onGrown;
  #given = ""; // the text as it came
  #source = "";
  #from = 0; // where the open tail starts
  #closed = 0; // how many blocks are closed
  #counted = 0; // where the lines end whose elements are counted
  #elements = 0;
  /** @type {Block[]} */
  #list = [];
  #references = new References();
  /** @type {Fence | null} */
  #fence = null;
  #finished = true;

  /**
   * @param {Element} root Whose children this object alone adds and removes.
   * @param {(node: Element) => void} onClosed Called with every block that is closed for good.
   * @param {(node: Element) => void} onGrown Called with the last block when it has changed.
   */
  constructor(root, onClosed = () => {}, onGrown = () => {}) {
    this.#root = root;
    this.#onClosed = onClosed;
    this.#onGrown = onGrown;
  }

  /**
   * Show a text that may go on. Costs what its open tail costs.
   *
   * @param {string} text
   */
  update(text) {
    const source = this.#take(text);
    if (source === this.#source) return;
    if (!source.startsWith(this.#source)) this.#reset();
    this.#source = source;
    this.#count();
    this.#finished = false;
    if (!this.#fence || !this.#growFence(this.#fence)) {
      this.#fence = null;
      this.#growTail();
    }
    const grown = this.#list.length > this.#closed ? this.#list.at(-1)?.node : null;
    if (grown) this.#onGrown(grown);
  }

  /**
   * Show a text that is over, exactly as if it had come in one piece.
   *
   * @param {string} text
   */
  finish(text) {
    const source = this.#take(text);
    if (this.#finished && source === this.#source) return;
    if (!source.startsWith(this.#source)) this.#reset();
    this.#source = source;
    this.#count();
    this.#fence = null;
    const closed = this.#closed;
    const { tokens, references } = this.#lex(source, 0, new References());
    this.#patch(0, tokens, closed);
    for (const entry of this.#list.slice(closed)) this.#finalize(entry);
    this.#closed = this.#list.length;
    this.#from = source.length;
    this.#references = references;
    this.#finished = true;
  }

  get isEmpty() {
    return this.#list.length === 0;
  }

  /** Remove everything. */
  clear() {
    this.#given = "";
    this.#reset();
  }

  #reset() {
    for (const entry of this.#list) entry.node?.remove();
    this.#list = [];
    this.#source = "";
    this.#from = this.#closed = this.#counted = this.#elements = 0;
    this.#references = new References();
    this.#fence = null;
    this.#finished = true;
  }

  // The source of a text that was given; only what is new is read.
  /** @param {string} text */
  #take(text) {
    const given = this.#given;
    this.#given = text;
    if (!given || !text.startsWith(given)) return cleanText(text);
    let fresh = text.slice(given.length);
    if (given.endsWith("\r") && fresh.startsWith("\n")) fresh = fresh.slice(1);
    return this.#source + cleanText(fresh, this.#source);
  }

  #growTail() {
    const tail = withoutMarks(this.#source.slice(this.#from));
    const { tokens, references } = this.#lex(tail, this.#from, this.#references);
    repairMarkdown(tokens, references);
    this.#patch(this.#closed, tokens, this.#closed);
    this.#close(tail, tokens, references);
    this.#openFence();
  }

  #count() {
    const source = this.#source;
    while (this.#elements < MOST_ELEMENTS) {
      const end = source.indexOf("\n", this.#counted) + 1;
      if (end === 0) break;
      const line = source.slice(this.#counted, end);
      this.#elements += countOf(line, MAKES_ONE) + MORE * countOf(line, MAKES_MORE);
      this.#counted = end;
    }
  }

  // Where the lines begin that are shown as text.
  get #limit() {
    return this.#elements < MOST_ELEMENTS ? Infinity : this.#counted;
  }

  /**
   * @param {string} text
   * @param {number} from Where it begins in the source.
   * @param {References} base
   */
  #lex(text, from, base) {
    const limit = Math.max(this.#limit - from, 0);
    const found = lex(text.slice(0, limit), base);
    for (let at = limit; at < text.length; ) {
      const end = text.indexOf("\n", at + REST) + 1 || text.length;
      const raw = text.slice(at, end);
      found.tokens.push({ type: "rest", raw, text: raw });
      at = end;
    }
    return found;
  }

  // Everything before the last block is closed once that block has certainly begun.
  /**
   * @param {string} tail
   * @param {Token[]} tokens
   * @param {References} references
   */
  #close(tail, tokens, references) {
    const last = tokens.findLastIndex((token) => token.type !== "space");
    const before = tokens.slice(0, Math.max(last, 0));
    const length = before.reduce((sum, token) => sum + token.raw.length, 0);
    const joined = length + tokens.slice(before.length).reduce((sum, t) => sum + t.raw.length, 0);
    if (last < 1 || joined !== tail.length) return;
    if (!begun(tail.slice(length), tokens[last], tokens[last - 1])) return;
    for (const entry of this.#list.slice(this.#closed, this.#closed + last)) this.#finalize(entry);
    this.#closed += last;
    this.#from += length;
    this.#references.adopt(references);
  }

  /** @param {Block} entry */
  #finalize(entry) {
    if (!entry.node) return;
    joinTexts(entry.node);
    this.#onClosed(entry.node);
  }

  /**
   * @param {number} start
   * @param {Token[]} tokens
   * @param {number} closed
   */
  #patch(start, tokens, closed) {
    const old = this.#list;
    const fresh = old.slice(0, start);
    tokens.forEach((token, index) => {
      const at = start + index;
      const was = old[at];
      if (was && !was.isStale && isSame(was.token, token)) {
        fresh.push({ token, node: was.node, isStale: false });
        return;
      }
      const open = at >= closed ? was?.node : null;
      const node = open ? revise(was.token, open, token) : renderBlock(token);
      if (node !== was?.node) this.#place(was?.node ?? null, node, old, at);
      // A closed block changes only here, when a definition at the end reaches back into it.
      if (at < closed && node) this.#onClosed(node);
      fresh.push({ token, node, isStale: false });
    });
    for (const entry of old.slice(start + tokens.length)) entry.node?.remove();
    this.#list = fresh;
  }

  /**
   * @param {HTMLElement | null} was
   * @param {HTMLElement | null} node
   * @param {Block[]} old
   * @param {number} at
   */
  #place(was, node, old, at) {
    if (was && node) was.replaceWith(node);
    else if (was) was.remove();
    else if (node) {
      const next = old.slice(at + 1).find((entry) => entry.node);
      this.#root.insertBefore(node, next?.node ?? null);
    }
  }

  // In an open fence every character is code until the line that closes it.
  #openFence() {
    const entry = this.#list.at(-1);
    if (this.#list.length !== this.#closed + 1 || entry?.token.type !== "code") return;
    const tail = this.#source.slice(this.#from);
    const opening = FENCE.exec(tail);
    if (!opening || isMarkdown(entry.token)) return;
    const body = this.#from + opening[0].length;
    const closing = new RegExp(`^ {0,3}${opening[1]}[~\`]* *$`, "m");
    if (closing.test(this.#source.slice(body))) return;
    const code = entry.node?.querySelector("code");
    if (!code) return;
    const shown = body + code.textContent.length;
    this.#fence = { entry, code, closing, tick: opening[1][0], line: body, shown };
  }

  /** @param {Fence} fence */
  #growFence(fence) {
    if (this.#source.length > this.#limit) return false;
    if (fence.closing.test(this.#source.slice(fence.line))) return false;
    fence.line = this.#source.lastIndexOf("\n") + 1;
    const end = codeEnd(this.#source, fence.shown, fence.tick);
    if (end > fence.shown) fence.code.append(this.#source.slice(fence.shown, end));
    fence.shown = end;
    fence.entry.isStale = true;
    return true;
  }
}

/**
 * @param {string} line
 * @param {RegExp} pattern
 */
function countOf(line, pattern) {
  return line.match(pattern)?.length ?? 0;
}

// A fence that shows Markdown may hold others.
/** @param {Token} token */
function isMarkdown(token) {
  return ["markdown", "md", "mdx"].includes(languageOf(token));
}

/** @param {string} tail */
function withoutMarks(tail) {
  const line = tail.slice(tail.lastIndexOf("\n") + 1);
  return line.length <= LONGEST_MARKS && MARKS.test(line.trim())
    ? tail.slice(0, tail.length - line.length)
    : tail;
}

// Line ends wait for the next line, and so does what may become the closing fence.
/**
 * @param {string} source
 * @param {number} from
 * @param {string} tick
 */
function codeEnd(source, from, tick) {
  let end = source.length;
  while (end > from && source[end - 1] === tick) end -= 1;
  for (let spaces = 0; spaces < 3 && end > from && source[end - 1] === " "; spaces += 1) end -= 1;
  while (end > from && source[end - 1] === "\n") end -= 1;
  return end;
}

// Whether the last block has certainly begun, whatever comes next.
/**
 * @param {string} rest
 * @param {Token} token
 * @param {Token} before
 */
function begun(rest, token, before) {
  const first = rest.indexOf("\n");
  if (token.type === "table") return first >= 0 && rest.includes("\n", first + 1);
  if (first >= 0) return true;
  return before.type === "space" && /^\p{L}/u.test(rest);
}
