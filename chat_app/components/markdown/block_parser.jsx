// @ts-check
// The blocks of a Markdown text, read line by line: a stack of open blocks that each line continues,
// closes or adds to (CommonMark 0.31, appendix "A parsing strategy"), with GitHub's tables, footnotes,
// <details> and math. Each line is read once, so that the time grows with the length of the text
// alone, whatever it holds.

import {
  DEEPEST,
  destinationAt,
  labelEnd,
  References,
  skipSpace,
  TAGS,
  titleEnd,
} from "./inline.jsx";
import { closesBlockMath, openBlockMath } from "./tex_source.jsx";

/**
 * @typedef {{
 *   type: string,
 *   parent: Block | null,
 *   children: Block[],
 *   first: number,
 *   end: number,
 *   lines: string[],
 *   indent: number,
 *   marker: string,
 *   info: string,
 *   count: number,
 *   nested: number,
 *   isClosed: boolean,
 *   summary: string,
 *   until: RegExp | null,
 *   align: (string | null)[],
 * }} Block `first` and `end`: its lines; `lines`: what they hold for it; `indent`: the columns that
 *   continue it; `count`: marks of a fence or heading, number of the first item; `nested`: open
 *   fences inside one that shows Markdown, -1 for others; `until`: what ends a block of HTML.
 */

const MOST_COLUMNS = 200;

const RAW = new Set(["code", "html", "math"]);
const HOLDS = new Set(["document", "quote", "item", "note", "details"]);

const HEADING = /(#{1,6})(?=[ \t]|$)/y;
const FENCE = /(`{3,})([^`]*)$|(~{3,})(.*)$/y;
const SETEXT = /(?:=+|-+)[ \t]*$/y;
const RULE = /(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$/y;
const BULLET = /([*+-])(?=[ \t]|$)/y;
const NUMBER = /(\d{1,9})([.)])(?=[ \t]|$)/y;
const NOTE = /\[\^([\w-]{1,64})\]:[ \t]*/y;
const DELIMITERS = /\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/y;
const OPEN_DETAILS = /<details(?:[ \t]+open)?[ \t]*>[ \t]*/iy;
const CLOSE_DETAILS = /<\/details>[ \t]*$/iy;
const CLOSES_DETAILS = /<\/details>[ \t]*$/i;
const SUMMARY = /<summary>((?:(?!<\/summary>).)*)<\/summary>[ \t]*/iy;

const BLOCK_TAGS =
  "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|" +
  "dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|" +
  "hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|" +
  "section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul";
const MARKDOWN = /^(?:markdown|md|mdx)(?=\s|$)/i;

// How a block of HTML begins, and what ends it; without that a blank line does.
/** @type {[RegExp, RegExp | null][]} */
const HTML = [
  [/<(?:script|pre|style|textarea)(?=[\s>]|$)/iy, /<\/(?:script|pre|style|textarea)>/i],
  [/<!--/y, /-->/],
  [/<\?/y, /\?>/],
  [/<![a-z]/iy, />/],
  [/<!\[CDATA\[/y, /\]\]>/],
  [new RegExp(`</?(?:${BLOCK_TAGS})(?=[ \\t]|/?>|$)`, "iy"), null],
];
const LONE_TAG =
  /<(?:([a-z][a-z\d-]*)(?:[ \t]+[a-z_:][\w.:-]*(?:[ \t]*=[ \t]*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*[ \t]*\/?|\/([a-z][a-z\d-]*)[ \t]*)>[ \t]*$/iy;

export class BlockParser {
  /** @type {number[]} Where each line begins, and where the last ends. */
  offsets = [0];
  #lines;
  /** @type {Block[]} From the document to the innermost open block. */
  #stack = [];
  #hasDetails = false; // somewhere in the text
  #depth = 0; // open blocks that hold others, without lists
  /** @type {References} */
  #references = new References();

  // The line that is read, and where: a tab may be partly used up.
  #line = "";
  #number = 0;
  #at = 0;
  #column = 0;
  #inTab = false;
  #textAt = 0;
  #textColumn = 0;

  /** @param {string} source */
  constructor(source) {
    this.#lines = source.split("\n");
    if (this.#lines.at(-1) === "") this.#lines.pop();
    let offset = 0;
    for (const line of this.#lines) {
      offset = Math.min(offset + line.length + 1, source.length);
      this.offsets.push(offset);
    }
  }

  /** @param {References} references */
  parse(references) {
    this.#references = references;
    const document = newBlock("document", 0, null);
    this.#stack = [document];
    this.#lines.forEach((line, number) => {
      this.#line = line;
      this.#number = number;
      this.#at = this.#column = 0;
      this.#inTab = false;
      this.#read();
    });
    this.#closeTo(1);
    return document;
  }

  get #indent() {
    return this.#textColumn - this.#column;
  }

  get #isBlank() {
    return this.#textAt >= this.#line.length;
  }

  get #tip() {
    return /** @type {Block} */ (this.#stack.at(-1));
  }

  #read() {
    let matched = 1;
    while (matched < this.#stack.length) {
      this.#findText();
      const goesOn = this.#continues(this.#stack[matched]);
      if (goesOn === "done") return;
      if (!goesOn) break;
      matched += 1;
    }
    const last = this.#stack[matched - 1];
    if (RAW.has(last.type)) {
      this.#addRaw(last);
      return;
    }
    this.#findText();
    const started = this.#starts(matched);
    if (started !== "done") this.#addText(matched, started);
  }

  // Where the text of the rest of the line begins.
  #findText() {
    let at = this.#at;
    let column = this.#column;
    for (; at < this.#line.length; at += 1) {
      if (this.#line[at] === " ") column += 1;
      else if (this.#line[at] === "\t") column += 4 - (column % 4);
      else break;
    }
    this.#textAt = at;
    this.#textColumn = column;
  }

  /** @param {number} columns */
  #skipColumns(columns) {
    let left = columns;
    while (left > 0 && this.#at < this.#line.length) {
      if (this.#line[this.#at] === "\t") {
        const width = 4 - (this.#column % 4);
        const used = Math.min(left, width);
        this.#column += used;
        left -= used;
        this.#inTab = used < width;
        if (!this.#inTab) this.#at += 1;
      } else {
        this.#inTab = false;
        this.#at += 1;
        this.#column += 1;
        left -= 1;
      }
    }
  }

  /** @param {number} at */
  #skipTo(at) {
    this.#column = this.#textColumn + (at - this.#textAt);
    this.#at = at;
    this.#inTab = false;
  }

  // The rest of the line, with the columns that are left of a tab as spaces.
  #rest() {
    if (!this.#inTab) return this.#line.slice(this.#at);
    return " ".repeat(4 - (this.#column % 4)) + this.#line.slice(this.#at + 1);
  }

  /** @param {RegExp} pattern Sticky. */
  #match(pattern) {
    pattern.lastIndex = this.#textAt;
    return pattern.exec(this.#line);
  }

  // Whether the line continues an open block; "done" when it ends it and holds nothing else.
  /** @param {Block} block */
  #continues(block) {
    switch (block.type) {
      case "quote":
        if (!this.#skipQuoteMark()) return false;
        this.#touch(block);
        return true;
      case "list":
        return true;
      case "item":
      case "note":
        return this.#continuesIndented(block);
      case "details":
        return this.#continuesDetails(block);
      case "code":
        return block.count > 0 ? this.#continuesFence(block) : this.#continuesCode();
      case "html":
        return block.until !== null || !this.#isBlank;
      case "math":
        return this.#continuesMath(block);
      default:
        return !this.#isBlank;
    }
  }

  #skipQuoteMark() {
    if (this.#isBlank || this.#indent >= 4 || this.#line[this.#textAt] !== ">") return false;
    this.#skipTo(this.#textAt + 1);
    if (" \t".includes(this.#line[this.#at] || "x")) this.#skipColumns(1);
    return true;
  }

  /** @param {Block} block */
  #continuesIndented(block) {
    if (this.#isBlank) {
      if (block.children.length === 0) return false;
      this.#skipTo(this.#textAt);
      return true;
    }
    if (this.#indent < block.indent) return false;
    this.#skipColumns(block.indent);
    return true;
  }

  /** @param {Block} block */
  #continuesDetails(block) {
    if (this.#isBlank || this.#indent >= 4 || RAW.has(this.#tip.type)) return true;
    if (this.#stack.findLast((open) => open.type === "details") !== block) return true;
    if (!this.#match(CLOSE_DETAILS)) return true;
    this.#touch(block);
    block.isClosed = true;
    this.#closeTo(this.#stack.indexOf(block));
    return "done";
  }

  /** @param {Block} block */
  #continuesFence(block) {
    this.#touch(block);
    const fence = this.#match(FENCE);
    const marks = fence?.[1] ?? fence?.[3] ?? "";
    if (marks[0] === block.marker && marks.length >= block.count) {
      const hasInfo = Boolean((fence?.[2] ?? fence?.[4] ?? "").trim());
      if (!hasInfo && block.nested <= 0 && this.#indent < 4) {
        block.isClosed = true;
        this.#closeTo(this.#stack.length - 1);
        return "done";
      }
      // In Markdown that is shown as code, a fence with a language opens a block of its own.
      if (block.nested >= 0) block.nested = Math.max(0, block.nested + (hasInfo ? 1 : -1));
    }
    this.#skipColumns(Math.min(block.indent, this.#indent));
    return true;
  }

  #continuesCode() {
    if (this.#isBlank) {
      this.#skipColumns(Math.min(4, this.#indent));
      return true;
    }
    if (this.#indent < 4) return false;
    this.#skipColumns(4);
    return true;
  }

  /** @param {Block} block */
  #continuesMath(block) {
    const closes = this.#isBlank ? null : closesBlockMath(this.#line, block.marker);
    if (closes === null) {
      // It was no math after all.
      block.type = "paragraph";
      return !this.#isBlank;
    }
    if (!closes) return true;
    this.#touch(block);
    block.lines.push(this.#line.slice(this.#textAt));
    block.isClosed = true;
    this.#closeTo(this.#stack.length - 1);
    return "done";
  }

  /** @param {Block} block */
  #addRaw(block) {
    block.lines.push(this.#rest());
    // The blank lines after indented code are none of it.
    if (block.type !== "code" || block.count > 0 || !this.#isBlank) this.#touch(block);
    if (block.until?.test(this.#line) && block.type === "html")
      this.#closeTo(this.#stack.length - 1);
  }

  // Open the blocks that begin on this line. Returns "done" when nothing of the line is left, else
  // whether the blocks are closed that the line does not continue.
  /** @param {number} matched */
  #starts(matched) {
    let isClean = matched === this.#stack.length; // nothing is open that the line did not continue
    for (;;) {
      if (this.#isBlank) return isClean;
      const above = isClean ? this.#tip : this.#stack[matched - 1];
      if (this.#indent >= 4) {
        if (this.#tip.type === "paragraph" || above.type === "table") return isClean;
        this.#closeTo(isClean ? this.#stack.length : matched);
        this.#open("code");
        this.#skipColumns(4);
        this.#addRaw(this.#tip);
        return "done";
      }
      const open = () => {
        if (!isClean) this.#closeTo(matched);
        isClean = true;
      };
      const started = this.#startsContainer(above, open) || this.#startsLeaf(above, open);
      if (started === "done") return "done";
      if (!started) return isClean;
      this.#findText();
    }
  }

  /**
   * @param {Block} above
   * @param {() => void} open Called before a block is opened.
   */
  #startsContainer(above, open) {
    if (this.#depth >= DEEPEST) return false;
    const char = this.#line[this.#textAt];
    if (char === ">") {
      open();
      this.#open("quote");
      this.#skipQuoteMark();
      return true;
    }
    if (char === "<") return this.#startsDetails(above, open);
    if (char === "[") {
      const note = this.#match(NOTE);
      if (!note) return false;
      open();
      const block = this.#open("note");
      block.info = note[1];
      block.indent = 4;
      this.#references.defineNote(note[1]);
      this.#skipTo(NOTE.lastIndex);
      return true;
    }
    return this.#startsItem(above, open);
  }

  /**
   * @param {Block} above
   * @param {() => void} open
   */
  #startsDetails(above, open) {
    if (this.#match(OPEN_DETAILS)) {
      open();
      this.#open("details");
      this.#hasDetails = true;
      this.#skipTo(OPEN_DETAILS.lastIndex);
      return true;
    }
    const summary = above.type === "details" && !above.summary && this.#match(SUMMARY);
    if (!summary) return false;
    this.#touch(above);
    above.summary = summary[1].trim();
    this.#skipTo(SUMMARY.lastIndex);
    return true;
  }

  /**
   * @param {Block} above
   * @param {() => void} open
   */
  #startsItem(above, open) {
    if (this.#match(RULE)) return false;
    const bullet = this.#match(BULLET);
    const number = bullet ? null : this.#match(NUMBER);
    if (!bullet && !number) return false;
    const end = bullet ? BULLET.lastIndex : NUMBER.lastIndex;
    const interrupts = above.type === "paragraph";
    if (interrupts && (!this.#line.slice(end).trim() || (number && Number(number[1]) !== 1))) {
      return false;
    }
    const marker = bullet ? bullet[1] : /** @type {RegExpExecArray} */ (number)[2];
    const before = this.#indent;
    open();
    if (this.#tip.type !== "list" || this.#tip.marker !== marker) {
      const list = this.#open("list");
      list.marker = marker;
      list.count = number ? Number(number[1]) : -1;
    }
    const item = this.#open("item");
    const width = end - this.#textAt;
    this.#skipTo(end);
    this.#findText();
    // Five columns and more are indented code.
    const spaces = this.#isBlank || this.#indent > 4 ? 1 : this.#indent;
    item.indent = before + width + spaces;
    if (this.#isBlank) this.#skipTo(this.#textAt);
    else this.#skipColumns(spaces);
    return true;
  }

  /**
   * @param {Block} above
   * @param {() => void} open
   */
  #startsLeaf(above, open) {
    const isParagraph = above.type === "paragraph";
    switch (this.#line[this.#textAt]) {
      case "#":
        return this.#startsHeading(open);
      case "`":
      case "~":
        return this.#startsFence(open);
      case "$":
      case "\\":
        return this.#startsMath(open);
      case "<":
        return this.#startsHtml(open);
    }
    if (isParagraph && this.#match(SETEXT) && this.#underlines(above)) return "done";
    if (isParagraph && this.#match(DELIMITERS) && this.#startsTable(above)) return "done";
    if (!this.#match(RULE)) return false;
    open();
    this.#leaf("hr");
    return "done";
  }

  /** @param {() => void} open */
  #startsHeading(open) {
    const heading = this.#match(HEADING);
    if (!heading) return false;
    open();
    const block = this.#leaf("heading");
    block.count = heading[1].length;
    block.lines.push(withoutClosing(this.#line.slice(HEADING.lastIndex).trim()));
    return "done";
  }

  /** @param {() => void} open */
  #startsFence(open) {
    const fence = this.#match(FENCE);
    if (!fence) return false;
    open();
    const indent = this.#indent;
    const block = this.#open("code");
    const marks = fence[1] ?? fence[3];
    block.info = (fence[2] ?? fence[4]).trim();
    block.marker = marks[0];
    block.count = marks.length;
    block.indent = indent;
    block.nested = MARKDOWN.test(block.info) ? 0 : -1;
    return "done";
  }

  /** @param {() => void} open */
  #startsMath(open) {
    const math = openBlockMath(this.#line, this.#textAt);
    if (!math) return false;
    open();
    const block = this.#open("math");
    block.marker = math.close;
    block.isClosed = math.isClosed;
    block.lines.push(math.source);
    if (math.isClosed) this.#closeTo(this.#stack.length - 1);
    return "done";
  }

  /** @param {() => void} open */
  #startsHtml(open) {
    let found = HTML.find(([start]) => this.#match(start));
    // A tag alone on its line is a block too, where no paragraph is open.
    if (!found && this.#tip.type !== "paragraph") {
      const tag = this.#match(LONE_TAG);
      const name = (tag?.[1] ?? tag?.[2] ?? "").toLowerCase();
      if (tag && name !== "br" && !TAGS.has(name)) found = [LONE_TAG, null];
    }
    if (!found) return false;
    open();
    const block = this.#open("html");
    block.until = found[1];
    this.#addRaw(block);
    return "done";
  }

  // The line underlines the paragraph before it: a heading, unless that was definitions alone.
  /** @param {Block} paragraph */
  #underlines(paragraph) {
    this.#takeDefinitions(paragraph);
    if (paragraph.lines.length === 0) {
      paragraph.first = this.#number;
      paragraph.parent?.children.push(paragraph);
      return false;
    }
    paragraph.type = "heading";
    paragraph.count = this.#line[this.#textAt] === "=" ? 1 : 2;
    this.#touch(paragraph);
    paragraph.lines = [paragraph.lines.join("\n").trim()];
    this.#stack.pop();
    return true;
  }

  /** @param {Block} paragraph */
  #startsTable(paragraph) {
    const line = this.#line.slice(this.#textAt);
    if (!/[|:]/.test(line)) return false;
    const header = paragraph.lines.at(-1) ?? "";
    const marks = cells(line);
    if (cells(header).length !== marks.length || marks.length > MOST_COLUMNS) return false;
    const parent = /** @type {Block} */ (paragraph.parent);
    paragraph.lines.pop();
    paragraph.end -= 1;
    this.#closeTo(this.#stack.length - 1);
    if (paragraph.lines.length === 0) parent.children.splice(parent.children.indexOf(paragraph), 1);
    const table = this.#open("table");
    table.first -= 1;
    table.lines.push(header);
    table.align = marks.map(alignment);
    return true;
  }

  // The line is text: it goes on with a paragraph or table, or begins a paragraph.
  /**
   * @param {number} matched
   * @param {boolean} isClean
   */
  #addText(matched, isClean) {
    // A paragraph goes on even where the marks of its quote or item are left out.
    const isLazy = !isClean && !this.#isBlank && this.#tip.type === "paragraph";
    if (!isClean && !isLazy) this.#closeTo(matched);
    if (this.#isBlank || this.#endsDetails()) return;
    this.#addLine(this.#line.slice(this.#textAt));
  }

  /** @param {string} text */
  #addLine(text) {
    const tip = this.#tip;
    const block = tip.type === "paragraph" || tip.type === "table" ? tip : this.#open("paragraph");
    block.lines.push(text);
    this.#touch(block);
  }

  // "Text</details>": the tag stands at the end of a line of text.
  #endsDetails() {
    if (!this.#hasDetails) return false;
    const index = this.#stack.findLastIndex((block) => block.type === "details");
    const end = index < 0 ? null : CLOSES_DETAILS.exec(this.#line);
    if (!end) return false;
    const text = this.#line.slice(this.#textAt, end.index).trim();
    if (text) this.#addLine(text);
    const details = this.#stack[index];
    this.#touch(details);
    details.isClosed = true;
    this.#closeTo(index);
    return true;
  }

  /**
   * @param {string} type
   * @returns {Block}
   */
  #open(type) {
    while (!canHold(this.#tip.type, type)) this.#closeTo(this.#stack.length - 1);
    const block = newBlock(type, this.#number, this.#tip);
    this.#tip.children.push(block);
    this.#stack.push(block);
    if (HOLDS.has(type)) this.#depth += 1;
    this.#touch(block);
    return block;
  }

  /** @param {string} type */
  #leaf(type) {
    const block = this.#open(type);
    this.#stack.pop();
    return block;
  }

  /** @param {Block} block */
  #touch(block) {
    for (let above = /** @type {Block | null} */ (block); above; above = above.parent) {
      above.end = this.#number + 1;
    }
  }

  /** @param {number} length */
  #closeTo(length) {
    while (this.#stack.length > length) {
      const block = /** @type {Block} */ (this.#stack.pop());
      if (HOLDS.has(block.type)) this.#depth -= 1;
      if (block.type === "paragraph") this.#takeDefinitions(block);
    }
  }

  // A paragraph may begin with definitions: they become blocks of their own.
  /** @param {Block} paragraph */
  #takeDefinitions(paragraph) {
    if (!paragraph.lines[0]?.startsWith("[")) return;
    const text = paragraph.lines.join("\n");
    /** @type {Block[]} */
    const found = [];
    let at = 0;
    while (text[at] === "[") {
      const definition = definitionAt(text, at);
      if (!definition) break;
      this.#references.define(definition.label, definition.href);
      const block = newBlock("def", paragraph.first, paragraph.parent);
      block.info = definition.label;
      block.marker = definition.href;
      block.lines = text.slice(at, definition.end).split("\n");
      paragraph.first += block.lines.length;
      block.end = paragraph.first;
      found.push(block);
      at = definition.end + 1;
    }
    if (found.length === 0) return;
    paragraph.lines = at < text.length ? text.slice(at).split("\n") : [];
    const { children } = /** @type {Block} */ (paragraph.parent);
    const stays = paragraph.lines.length > 0 ? [paragraph] : [];
    children.splice(children.lastIndexOf(paragraph), 1, ...found, ...stays);
  }
}

/**
 * @param {string} type
 * @param {number} first
 * @param {Block | null} parent
 * @returns {Block}
 */
function newBlock(type, first, parent) {
  return {
    type,
    parent,
    children: [],
    first,
    end: first,
    lines: [],
    indent: 0,
    marker: "",
    info: "",
    count: 0,
    nested: -1,
    isClosed: false,
    summary: "",
    until: null,
    align: [],
  };
}

/**
 * @param {string} holder
 * @param {string} type
 */
function canHold(holder, type) {
  return type === "item" ? holder === "list" : HOLDS.has(holder);
}

/**
 * @param {string} text
 * @param {number} from Where a bracket opens.
 * @returns {{label: string, href: string, end: number} | null} `end`: at the end of its last line.
 */
function definitionAt(text, from) {
  const close = labelEnd(text, from + 1);
  const label = text.slice(from + 1, close);
  if (close < 0 || !label.trim() || text[close + 1] !== ":") return null;
  const at = skipSpace(text, close + 2);
  const url = destinationAt(text, at);
  if (!url || url.end === at) return null;
  const title = skipSpace(text, url.end);
  const ends = title > url.end ? titleEnd(text, title) : title;
  const end = (ends > title && lineEnd(text, ends)) || lineEnd(text, url.end);
  return end ? { label, href: url.href, end } : null;
}

// The end of the line where nothing else follows on it, or 0.
/**
 * @param {string} text
 * @param {number} from
 */
function lineEnd(text, from) {
  let at = from;
  while (text[at] === " " || text[at] === "\t") at += 1;
  return at >= text.length || text[at] === "\n" ? at : 0;
}

/** @param {string} text */
function withoutClosing(text) {
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  return end === 0 || " \t".includes(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

/**
 * The cells of a line of a table.
 *
 * @param {string} line
 */
export function cells(line) {
  const text = line.trim();
  /** @type {string[]} */
  const all = [];
  let from = text.startsWith("|") ? 1 : 0;
  for (let at = from; at <= text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "|" || (at === text.length && from < at)) {
      all.push(text.slice(from, at).trim().replaceAll("\\|", "|"));
      from = at + 1;
    }
  }
  return all;
}

/** @param {string} mark */
function alignment(mark) {
  if (!mark.endsWith(":")) return mark.startsWith(":") ? "left" : null;
  return mark.startsWith(":") ? "center" : "right";
}
