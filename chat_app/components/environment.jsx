import { useEffect } from "react";
import { useLocation } from "react-router";

export const Environment = ({ title, product, onZone }) => {
  const { pathname } = useLocation();

  useEffect(() => {
    onZone?.(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  }, []);

  useEffect(() => {
    document.title = title ? `${title} · ${product}` : product;
    return () => (document.title = product);
  }, [title, product, pathname]);

  // Whoever picked a thread in the drawer wants to read it.
  useEffect(() => {
    document.querySelectorAll(":popover-open").forEach((open) => open.hidePopover());
  }, [pathname]);

  return null;
};
