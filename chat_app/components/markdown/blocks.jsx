// @ts-check
// A message that grows. Blocks that can no longer change are closed: rendered once and left alone;
// only the open tail is lexed again. `finish` compares everything with one lexing of the whole text,
// so the way the text was cut on its way here never shows.

import { cleanText } from "./clean_text.jsx";
import { patchDom, withoutDirection } from "./dom_patch.jsx";
import { lex, References } from "./lexer.jsx";
import { codeText, languageOf, renderBlock, renderItem, renderRow } from "./markdown.jsx";
import { repairMarkdown } from "./repair_markdown.jsx";

// A last line of nothing but marks may become a list, a heading, a rule or a table: wait for more.
// So may one that begins a tag, a footnote or a formula.
const MARKS =
  /^(?:[-=+*_#>~`|: \t]+|\d{1,3}[.)]?|[-+*] \[[ xX]?\]?|<\/?[a-z]{0,10}|\[\^[\w-]*\]?|\$\$?|\\[[(]?)$/;
const LONGEST_MARKS = 40;
const FENCE = /^(`{3,}|~{3,})[^\n]*\n/;

/**
 * @typedef {import("./lexer.jsx").Token} Token
 * @typedef {import("./lexer.jsx").Cell} Cell
 *
 * @typedef {{token: Token, key: string | null, node: HTMLElement | null}} Block Same key, same DOM;
 *   null never matches.
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
    this.#fence = null;
    const closed = this.#closed;
    const { tokens, references } = lex(source);
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
    this.#from = this.#closed = 0;
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
    const { tokens, references } = lex(tail, this.#references);
    const repaired = repairMarkdown(tokens, references);
    this.#patch(this.#closed, tokens, this.#closed);
    const last = this.#list.at(-1);
    if (repaired && last) last.key = null;
    this.#close(tail, tokens, references);
    this.#openFence();
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
    entry.node.normalize();
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
      const key = keyOf(token);
      if (was?.key === key) {
        fresh.push({ token, key, node: was.node });
        return;
      }
      const open = at >= closed ? was?.node : null;
      const node = open ? revise(was.token, open, token) : renderBlock(token);
      if (node !== was?.node) this.#place(was?.node ?? null, node, old, at);
      // A closed block changes only here, when a definition at the end reaches back into it.
      if (at < closed && node) this.#onClosed(node);
      fresh.push({ token, key, node });
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
    if (fence.closing.test(this.#source.slice(fence.line))) return false;
    fence.line = this.#source.lastIndexOf("\n") + 1;
    const end = codeEnd(this.#source, fence.shown, fence.tick);
    if (end > fence.shown) fence.code.append(this.#source.slice(fence.shown, end));
    fence.shown = end;
    fence.entry.key = null;
    return true;
  }
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

// Same key, same DOM: what a text shows depends on the definitions that it uses.
/** @param {Token} token */
function keyOf(token) {
  if (token.type === "code") return `code ${languageOf(token)}\n${codeText(token)}`;
  const state = `${token.found ?? ""}${token.isUsed ?? ""}${token.isClosed ?? ""}`;
  return `${token.type} ${token.raw.replace(/\n+$/, "")}\n${state}`;
}

/** @type {Record<string, (node: HTMLElement, old: Token, token: Token) => boolean>} */
const REVISIONS = { code: reviseCode, list: reviseList, table: reviseTable };

/**
 * @param {Token} old
 * @param {HTMLElement} node What it was rendered to.
 * @param {Token} token
 * @returns {HTMLElement | null}
 */
function revise(old, node, token) {
  if (old.type !== token.type) return renderBlock(token);
  if (REVISIONS[token.type]?.(node, old, token)) return node;
  const fresh = renderBlock(token);
  return fresh && /** @type {HTMLElement} */ (patchDom(node, fresh));
}

/**
 * @param {HTMLElement} node
 * @param {Token} old
 * @param {Token} token
 */
function reviseCode(node, old, token) {
  const code = node.querySelector("code");
  if (!code || languageOf(old) !== languageOf(token)) return false;
  const shown = code.textContent;
  const text = codeText(token);
  if (!text.startsWith(shown)) code.textContent = text;
  else if (text.length > shown.length) code.append(text.slice(shown.length));
  return true;
}

/**
 * @param {HTMLElement} node
 * @param {Token} old
 * @param {Token} token
 */
function reviseList(node, old, token) {
  const layout = (/** @type {Token} */ list) => `${list.ordered} ${list.start} ${list.loose}`;
  if (!old.items || !token.items || layout(old) !== layout(token)) return false;
  /** @type {(a: Token, b: Token) => boolean} */
  const same = (a, b) => a.task === b.task && a.checked === b.checked && keyOf(a) === keyOf(b);
  reviseRows(node, old.items, token.items, same, renderItem);
  return true;
}

/**
 * @param {HTMLElement} node
 * @param {Token} old
 * @param {Token} token
 */
function reviseTable(node, old, token) {
  const texts = (/** @type {Cell[]} */ row) => row.map((cell) => cell.text).join("\n");
  const layout = (/** @type {Token} */ t) => `${t.align?.join()}\n${texts(t.header ?? [])}`;
  const body = node.querySelector("tbody");
  if (!body || old.found !== token.found || layout(old) !== layout(token)) return false;
  /** @type {(a: Cell[], b: Cell[]) => boolean} */
  const same = (a, b) => a.length === b.length && texts(a) === texts(b);
  const table = /** @type {Element} */ (body.parentElement);
  const revise = () => reviseRows(body, old.rows ?? [], token.rows ?? [], same, renderRow);
  withoutDirection(table, revise);
  return true;
}

/**
 * @template T
 * @param {Element} parent
 * @param {T[]} old
 * @param {T[]} fresh
 * @param {(a: T, b: T) => boolean} same
 * @param {(row: T) => HTMLElement} render
 */
function reviseRows(parent, old, fresh, same, render) {
  fresh.forEach((row, index) => {
    if (index >= old.length) parent.append(render(row));
    else if (!same(old[index], row)) patchDom(parent.children[index], render(row));
  });
  while (parent.children.length > fresh.length) parent.lastElementChild?.remove();
}
