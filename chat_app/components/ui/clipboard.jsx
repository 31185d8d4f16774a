// @ts-check
// The clipboard. Browsers offer it on https and localhost only, so there is a second way.

const SHOWN_MS = 2000;

/**
 * @param {string} text
 * @returns {Promise<boolean>} Whether the text is in the clipboard now.
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("aria-hidden", "true");
  area.style.cssText = "position:fixed;top:0;left:0;opacity:0";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}

/** @type {WeakMap<HTMLButtonElement, {label: string | null, text: string | null, timer: number}>} */
const resets = new WeakMap();

/**
 * Copy, and show it on the button for a moment: its text (when it has one) and its name become
 * "Copied", and it gets data-copied.
 *
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @returns {Promise<string>} What it says.
 */
export async function copyFrom(button, text) {
  const label = (await copyText(text)) ? "Copied" : "Not copied";
  const running = resets.get(button);
  clearTimeout(running?.timer);
  const before = running ?? { label: button.getAttribute("aria-label"), text: button.textContent };
  button.setAttribute("aria-label", label);
  button.dataset.copied = label === "Copied" ? "true" : "false";
  if (before.text) button.textContent = label;
  const timer = setTimeout(() => {
    resets.delete(button);
    button.setAttribute("aria-label", before.label ?? "");
    delete button.dataset.copied;
    if (before.text) button.textContent = before.text;
  }, SHOWN_MS);
  resets.set(button, { ...before, timer });
  return label;
}
