// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
import { useEffect, useRef } from "react";
import { useLocation } from "react-router";

/** @param {string} pathname */
const threadOf = (pathname) => pathname.toLowerCase().split("/")[2] ?? "";

/**
 * Sets the tab's title, reports the time zone once, closes the drawer after a navigation, and leaves a
 * thread that was deleted in this tab.
 *
 * @param {{
 *   thread?: string,
 *   title?: string,
 *   product: string,
 *   deleted?: string,
 *   onZone?: (zone: string) => void,
 *   onDeleted?: () => void,
 * }} props
 */
export const PageEffects = ({ thread, title, product, deleted = "", onZone, onDeleted }) => {
  const { pathname } = useLocation();
  const lastDeleted = useRef(deleted);

  useEffect(() => {
    onZone?.(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  }, []);

  useEffect(() => {
    document.title = title ? `${title} · ${product}` : product;
    return () => {
      document.title = product;
    };
  }, [title, product, pathname]);

  // A user who picked a thread in the drawer wants to read it. The URL of a chat that was begun here
  // follows later: what was opened since stays.
  useEffect(() => {
    if (thread && thread === threadOf(pathname)) return;
    for (const open of document.querySelectorAll(":popover-open")) {
      /** @type {HTMLElement} */ (open).hidePopover();
    }
  }, [pathname]);

  // Only the page knows whether the thread is still open when it is deleted.
  useEffect(() => {
    const isNew = deleted !== lastDeleted.current;
    lastDeleted.current = deleted;
    if (!isNew || !deleted || threadOf(pathname) !== deleted) return;
    onDeleted?.();
  }, [deleted]);

  return null;
};
