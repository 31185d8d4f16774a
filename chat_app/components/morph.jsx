// Make an element equal to a fresh one while keeping every node that need not change, so that a
// reader's selection and the place they scrolled a table to survive the next word.

/** @returns {Node} The node that stands in the document: `old`, or `fresh` where they differ in kind. */
export function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName || !sameAttributes(old, fresh)) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    morphText(old, fresh);
    return old;
  }
  let had = old.firstChild;
  let wanted = fresh.firstChild;
  while (wanted) {
    const nextWanted = wanted.nextSibling;
    if (had) {
      const nextHad = had.nextSibling;
      morph(had, wanted);
      had = nextHad;
    } else old.append(wanted);
    wanted = nextWanted;
  }
  while (had) {
    const next = had.nextSibling;
    had.remove();
    had = next;
  }
  return old;
}

function morphText(old, fresh) {
  if (old.data === fresh.data) return;
  if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length));
  else old.data = fresh.data;
}

function sameAttributes(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) return true;
  if (old.attributes.length !== fresh.attributes.length) return false;
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) return false;
  }
  return true;
}
