// @ts-check
// The sidebar of wide screens: closed and opened with a button or Ctrl+B (⌘B), and kept so by this
// browser. Whether it is closed stands at <html>, where a script of the page's head puts it before
// anything is drawn (pages/sidebar.py), and the styles read it.

import { useEffect, useState, useSyncExternalStore } from "react";

const KEY = "chat-sidebar";
const CLOSED = "closed";
const WIDE = "(min-width: 48rem)"; // below, the sidebar is a drawer

/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {() => void} listener */
const subscribe = (listener) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

const isClosed = () => document.documentElement.dataset.sidebar === CLOSED;

/** @param {boolean} closes */
const setClosed = (closes) => {
  if (closes) document.documentElement.dataset.sidebar = CLOSED;
  else delete document.documentElement.dataset.sidebar;
  try {
    if (closes) localStorage.setItem(KEY, CLOSED);
    else localStorage.removeItem(KEY);
  } catch {
    // The browser keeps nothing; the page goes on without.
  }
  for (const listener of listeners) listener();
};

const isMac = () => /Mac|iPhone|iPad/.test(navigator.platform);

/** @param {KeyboardEvent} event */
const isShortcut = (event) =>
  event.key.toLowerCase() === "b" &&
  (isMac() ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey) &&
  !event.altKey &&
  !event.shiftKey;

/** @param {"open" | "close"} action */
const focusButton = (action) => {
  /** @type {HTMLElement | null} */
  const button = document.querySelector(`[data-sidebar-button=${action}]`);
  button?.focus();
};

/**
 * A button that closes the sidebar, or opens it. The button that was pressed disappears, and the
 * focus goes to the other one.
 *
 * @param {{
 *   opens?: boolean,
 *   sidebar: string,
 *   label: string,
 *   className?: string,
 *   children?: import("react").ReactNode,
 * }} props `sidebar` is the id of the sidebar.
 */
export const SidebarButton = ({ opens = false, sidebar, label, className, children }) => {
  const closed = useSyncExternalStore(subscribe, isClosed, () => false);
  const [shortcut, setShortcut] = useState("");
  useEffect(() => setShortcut(isMac() ? "⌘B" : "Ctrl+B"), []);

  const press = () => {
    setClosed(!opens);
    focusButton(opens ? "close" : "open");
  };

  return (
    <button
      type="button"
      className={className}
      title={shortcut ? `${label} (${shortcut})` : label}
      aria-label={label}
      aria-expanded={!closed}
      aria-controls={sidebar}
      aria-keyshortcuts={shortcut.startsWith("⌘") ? "Meta+B" : "Control+B"}
      data-sidebar-button={opens ? "open" : "close"}
      onClick={press}
    >
      {children}
    </button>
  );
};

/**
 * The shortcut of the sidebar, and what is said when it was used.
 *
 * @param {{sidebar: string}} props `sidebar` is the id of the sidebar.
 */
export const SidebarShortcut = ({ sidebar }) => {
  const [said, setSaid] = useState("");

  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const press = (event) => {
      if (!isShortcut(event) || event.defaultPrevented || !matchMedia(WIDE).matches) return;
      event.preventDefault();
      const closes = !isClosed();
      const wasInside = document.getElementById(sidebar)?.contains(document.activeElement);
      setClosed(closes);
      setSaid(closes ? "Sidebar closed" : "Sidebar opened");
      if (closes && wasInside) focusButton("open");
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [sidebar]);

  return (
    <span className="sr-only" role="status">
      {said}
    </span>
  );
};
