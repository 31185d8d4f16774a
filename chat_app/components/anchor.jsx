// Where a reader is in a scrolling element, and how to keep them there when it changes around them.

const NEAR = 48; // pixels from the end that count as being there

/**
 * @param {HTMLElement} view The element that scrolls.
 * @param {HTMLElement} body Its only child, which holds the rows: `article` elements.
 */
export function createAnchor(view, body) {
  let stuck = true;
  let before = 0; // scrollTop
  let row = null; // the first row in sight, while not at the end
  let top = 0; // pixels of that row from the view's upper edge

  const toEnd = () => view.scrollHeight - view.clientHeight - view.scrollTop;

  function note() {
    before = view.scrollTop;
    row = stuck ? null : firstInSight(view, body);
    top = row ? distance(view, row) : 0;
  }

  return {
    get stuck() {
      return stuck;
    },
    /** The reader, or this object, has scrolled. */
    scrolled() {
      if (toEnd() <= NEAR) stuck = true;
      // Growth moves the end away without anybody moving up: that is no reason to let go.
      else if (view.scrollTop < before) stuck = false;
      note();
    },
    /** The rows have changed: stay at the end, or keep the row in sight where it was. */
    resized() {
      if (stuck) view.scrollTop = view.scrollHeight;
      else if (row?.isConnected) view.scrollTop += distance(view, row) - top;
      note();
    },
    /** Go to the end and stay there. */
    end() {
      stuck = true;
      view.scrollTop = view.scrollHeight;
      note();
    },
  };
}

/** The rows of a conversation, at any depth. */
export function rowsOf(body) {
  return body.getElementsByTagName("article");
}

function distance(view, row) {
  return row.getBoundingClientRect().top - view.getBoundingClientRect().top;
}

function firstInSight(view, body) {
  const rows = rowsOf(body);
  const edge = view.getBoundingClientRect().top;
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].getBoundingClientRect().bottom > edge) high = middle;
    else low = middle + 1;
  }
  return rows[low] ?? null;
}
