// @ts-check
// Markdown to tokens: the blocks of a text, and the texts inside them.

import { BlockParser, cells } from "./block_parser.jsx";
import { lexInline, References } from "./inline.jsx";

export { References };

/**
 * @typedef {{
 *   type: string,
 *   raw: string,
 *   text: string,
 *   tokens?: Token[],
 *   found?: string,
 *   depth?: number,
 *   lang?: string,
 *   href?: string,
 *   tag?: string,
 *   label?: string,
 *   summary?: Token[],
 *   display?: boolean,
 *   isClosed?: boolean,
 *   isUsed?: boolean,
 *   isRepaired?: boolean,
 *   ordered?: boolean,
 *   start?: number | "",
 *   loose?: boolean,
 *   items?: Token[],
 *   task?: boolean,
 *   checked?: boolean,
 *   align?: (string | null)[],
 *   header?: Cell[],
 *   rows?: Cell[][],
 * }} Token `found`: the definitions that the texts in it use; `isRepaired`: it is shown otherwise than
 *   it is written, see repair_markdown.jsx.
 *
 * @typedef {{text: string, tokens: Token[], align: string | null, found?: string}} Cell
 *
 * @typedef {{found?: string}} Owner
 *
 * @typedef {import("./block_parser.jsx").Block} Block
 */

const MAX_PADDING = 5_000; // cells that a table gets beyond those that are written
const TASK = /^\[([ xX])\][ \t]+(?=\S)/;

/**
 * @param {string} source Markdown with \n line ends.
 * @param {References} base What came earlier in the same message.
 * @returns {{tokens: Token[], references: References}} The tokens' `raw` texts join to the source;
 *   what is defined and looked up in it.
 */
export function lex(source, base = new References()) {
  const references = new References(base);
  const parser = new BlockParser(source);
  const document = parser.parse(references);
  return { tokens: new Tokens(source, parser.offsets, references).of(document), references };
}

/** Blocks to tokens. */
class Tokens {
  #source;
  #offsets;
  #references;
  /** @type {{text: string, tokens: Token[], owners: Owner[]}[]} Texts that are still to be lexed. */
  #texts = [];
  /** @type {Owner[]} The block that is made, after those that hold it. */
  #owners = [];
  #padding = 0;
  /** @type {{token: Token, owners: Owner[]}[]} */
  #definitions = [];

  /**
   * @param {string} source
   * @param {number[]} offsets
   * @param {References} references
   */
  constructor(source, offsets, references) {
    this.#source = source;
    this.#offsets = offsets;
    this.#references = references;
  }

  /** @param {Block} document */
  of(document) {
    /** @type {Token[]} */
    const tokens = [];
    let line = 0;
    const space = (/** @type {number} */ until) => {
      const raw = this.#raw(line, until);
      if (raw) tokens.push({ type: "space", raw, text: "" });
    };
    for (const block of document.children) {
      space(block.first);
      tokens.push(this.#block(block, false));
      line = block.end;
    }
    space(this.#offsets.length - 1);
    for (const { text, tokens: made, owners } of this.#texts) {
      const { tokens: inline, found } = lexInline(text, this.#references);
      for (const token of inline) made.push(token);
      for (const owner of owners) if (found) owner.found = (owner.found ?? "") + found;
    }
    for (const { token, owners } of this.#definitions) {
      token.isUsed = this.#references.isWanted(token.label ?? "");
      if (token.isUsed) for (const owner of owners) owner.found = `${owner.found ?? ""}used\n`;
    }
    return tokens;
  }

  /**
   * @param {number} first
   * @param {number} end
   */
  #raw(first, end) {
    return this.#source.slice(this.#offsets[first], this.#offsets[end]);
  }

  /**
   * @param {string} text
   * @param {Owner[]} owners
   */
  #inline(text, owners = this.#owners) {
    /** @type {Token[]} */
    const tokens = [];
    this.#texts.push({ text, tokens, owners });
    return tokens;
  }

  /**
   * @param {Block} block
   * @param {boolean} isTight Whether it stands in an item of a list without blank lines.
   * @returns {Token}
   */
  #block(block, isTight) {
    const raw = this.#raw(block.first, block.end);
    /** @type {Token} */
    const token = { type: block.type, raw, text: block.lines.join("\n") };
    const owners = this.#owners;
    this.#owners = [...owners, token];
    switch (block.type) {
      case "heading":
        token.depth = block.count;
        token.tokens = this.#inline(token.text);
        break;
      case "paragraph":
        token.type = isTight ? "text" : "paragraph";
        token.text = token.text.trimEnd();
        token.tokens = this.#inline(token.text);
        break;
      case "quote":
        token.type = "blockquote";
        token.tokens = this.#blocks(block, false);
        break;
      case "note":
        token.label = block.info;
        token.tokens = this.#blocks(block, false);
        break;
      case "details":
        token.isClosed = block.isClosed;
        token.summary = this.#inline(block.summary || "Details");
        token.tokens = this.#blocks(block, false);
        break;
      case "code":
        token.lang = block.info;
        break;
      case "def":
        token.label = block.info;
        token.href = block.marker;
        this.#definitions.push({ token, owners: this.#owners });
        break;
      case "math":
        token.display = true;
        token.isClosed = block.isClosed;
        break;
      case "list":
        this.#list(block, token);
        break;
      case "table":
        this.#table(block, token);
        break;
    }
    this.#owners = owners;
    return token;
  }

  /**
   * @param {Block} block
   * @param {boolean} isTight
   */
  #blocks(block, isTight) {
    return block.children.map((child) => this.#block(child, isTight));
  }

  /**
   * @param {Block} list
   * @param {Token} token
   */
  #list(list, token) {
    token.ordered = list.count >= 0;
    token.start = list.count >= 0 ? list.count : "";
    token.loose = hasGap(list) || list.children.some(hasGap);
    const owners = this.#owners;
    token.items = list.children.map((block) => {
      /** @type {Token} */
      const item = { type: "item", raw: this.#raw(block.first, block.end), text: "" };
      this.#owners = [...owners, item];
      const first = block.children[0];
      const task = first?.type === "paragraph" ? TASK.exec(first.lines[0] ?? "") : null;
      if (task) first.lines[0] = first.lines[0].slice(task[0].length);
      item.tokens = this.#blocks(block, !token.loose);
      item.task = Boolean(task);
      item.checked = Boolean(task && task[1] !== " ");
      if (task) this.#addCheckbox(item, task[0]);
      return item;
    });
    this.#owners = owners;
  }

  /**
   * @param {Token} item
   * @param {string} raw
   */
  #addCheckbox(item, raw) {
    const box = { type: "checkbox", raw, text: "", checked: item.checked };
    const first = item.tokens?.[0];
    if (first?.type === "paragraph") first.tokens?.unshift(box);
    else item.tokens?.unshift(box);
  }

  /**
   * @param {Block} table
   * @param {Token} token
   */
  #table(table, token) {
    const { align } = table;
    const [header, ...rows] = table.lines.map(cells);
    const row = (/** @type {string[]} */ texts) =>
      texts.slice(0, align.length).map((text, index) => {
        /** @type {Cell} */
        const cell = { text, tokens: [], align: align[index] };
        cell.tokens = this.#inline(text, [...this.#owners, cell]);
        return cell;
      });
    token.align = align;
    token.header = row(header);
    token.rows = rows.map((texts) => {
      const missing = Math.max(
        0,
        Math.min(align.length - texts.length, MAX_PADDING - this.#padding),
      );
      this.#padding += missing;
      return row([...texts, ...Array(missing).fill("")]);
    });
  }
}

/** @param {Block} block */
function hasGap({ children }) {
  return children.some((child, index) => index > 0 && children[index - 1].end < child.first);
}
