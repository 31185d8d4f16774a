// @ts-check
// Scroll anchoring: where a reader is in a scrolling element, and how to keep them there when it
// changes around them.

const NEAR = 48; // pixels from the end that count as being there

/**
 * @param {HTMLElement} view The element that scrolls.
 * @param {HTMLElement} body Its only child, which holds the rows: `article` elements.
 * @param {() => boolean} isWhole Whether the last row is the end: nothing is to come in below it.
 */
export function createAnchor(view, body, isWhole = () => true) {
  let stuck = true;
  let before = 0; // scrollTop
  /** @type {HTMLElement | null} The row that is kept in its place; the last one at the end. */
  let row = null;
  let top = 0; // pixels of that row from the view's upper edge
  let closing = false; // something below the reader's hand is about to go

  const toEnd = () => view.scrollHeight - view.clientHeight - view.scrollTop;

  // Pixels that the reader has scrolled whose event is still to come. A view that is cut short at
  // the end, since it became shorter, was not scrolled by anybody.
  function unannounced() {
    const moved = view.scrollTop - before;
    return moved < 0 && toEnd() < 1 ? 0 : moved;
  }

  function note() {
    before = view.scrollTop;
    row = stuck ? lastRow(body) : rowToKeep(view, body);
    top = row ? distance(view, row) : 0;
  }

  return {
    get stuck() {
      return stuck;
    },
    /** The reader, or this object, has scrolled. */
    scrolled() {
      // Keeping a row in its place is no reason to choose another one, or to round its place anew.
      if (!stuck && row?.isConnected && view.scrollTop === before) return;
      if (!isWhole()) stuck = false;
      else if (toEnd() <= NEAR) stuck = true;
      // Growth moves the end away without anybody moving up: that is no reason to let go.
      else if (view.scrollTop < before) stuck = false;
      note();
    },
    /** The rows have changed: stay at the end, or keep the row where it was. */
    resized() {
      const moved = unannounced();
      if (moved < -NEAR) stuck = false;
      row = standing(row, body);
      top -= moved;
      if (closing && isWhole() && toEnd() <= NEAR) stuck = true;
      closing = false;
      if (stuck || !row) {
        if (stuck) view.scrollTop = view.scrollHeight;
        note();
        return;
      }
      view.scrollTop += distance(view, row) - top;
      if (moved) note();
      else before = view.scrollTop;
    },
    /**
     * The reader opens or closes something in a row: keep that row where it is.
     *
     * @param {HTMLElement} changing
     * @param {boolean} closes
     */
    hold(changing, closes) {
      stuck = false;
      closing = closes;
      before = view.scrollTop;
      row = changing;
      top = distance(view, row);
    },
    /**
     * Bring a row into view, and keep it in its place.
     *
     * @param {HTMLElement} found
     */
    show(found) {
      stuck = false;
      closing = false;
      // What stands before it stays in sight; a row that fills the view begins at its edge.
      const room = Math.max(0, (view.clientHeight - found.offsetHeight) / 3);
      view.scrollTop += distance(view, found) - room;
      before = view.scrollTop;
      row = found;
      top = distance(view, found);
    },
    /** Go to the end and stay there. */
    end() {
      stuck = true;
      view.scrollTop = view.scrollHeight;
      note();
    },
  };
}

/**
 * The rows of a conversation, at any depth.
 *
 * @param {HTMLElement} body
 */
export function rowsOf(body) {
  return body.getElementsByTagName("article");
}

/**
 * A row as it stands on the page now: the same message may have been rendered again, or another
 * version of it.
 *
 * @param {HTMLElement | null} row
 * @param {HTMLElement} body
 * @returns {HTMLElement | null}
 */
function standing(row, body) {
  if (!row || row.isConnected) return row;
  const { message = "", place = "" } = row.dataset;
  const names = [
    `[data-message="${CSS.escape(message)}"]`,
    `[data-place="${CSS.escape(place || "-")}"]`,
  ];
  /** @type {(HTMLElement | null)[]} */
  const [same, other] = names.map((name) => body.querySelector(`article${name}`));
  return same ?? other;
}

/**
 * The last row that is shown: what comes after a gap is not.
 *
 * @param {HTMLCollectionOf<HTMLElement>} rows
 */
export function lastOf(rows) {
  let last = rows.length - 1;
  while (last >= 0 && rows[last].getClientRects().length === 0) last -= 1;
  return last;
}

/** @param {HTMLElement} body */
function lastRow(body) {
  const rows = rowsOf(body);
  return /** @type {HTMLElement | null} */ (rows[lastOf(rows)] ?? null);
}

/**
 * @param {HTMLElement} view
 * @param {HTMLElement} row
 */
function distance(view, row) {
  return row.getBoundingClientRect().top - view.getBoundingClientRect().top;
}

// The first row that begins in sight, so that what is drawn above it grows out of sight; or the one
// that fills the view.
/**
 * @param {HTMLElement} view
 * @param {HTMLElement} body
 * @returns {HTMLElement | null}
 */
function rowToKeep(view, body) {
  const rows = rowsOf(body);
  const { top: edge, bottom } = view.getBoundingClientRect();
  const last = lastOf(rows);
  let low = 0;
  let high = last;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].getBoundingClientRect().bottom > edge) high = middle;
    else low = middle + 1;
  }
  const begins = (/** @type {HTMLElement} */ row) => row.getBoundingClientRect().top;
  if (low < last && begins(rows[low]) < edge && begins(rows[low + 1]) < bottom) low += 1;
  return rows[low] ?? null;
}
