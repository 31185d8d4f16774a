// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
import { useEffect } from "react";
import { useLocation } from "react-router";

/**
 * Sets the tab's title, reports the time zone once, and closes the drawer after a navigation.
 *
 * @param {{title?: string, product: string, onZone?: (zone: string) => void}} props
 */
export const DocumentTitle = ({ title, product, onZone }) => {
  const { pathname } = useLocation();

  useEffect(() => {
    onZone?.(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  }, []);

  useEffect(() => {
    document.title = title ? `${title} · ${product}` : product;
    return () => {
      document.title = product;
    };
  }, [title, product, pathname]);

  // A user who picked a thread in the drawer wants to read it.
  useEffect(() => {
    for (const open of document.querySelectorAll(":popover-open")) {
      /** @type {HTMLElement} */ (open).hidePopover();
    }
  }, [pathname]);

  return null;
};
