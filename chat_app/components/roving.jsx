// A long list is one stop on the way of the Tab key: its arrow keys go from row to row, and Tab
// from a row to that row's own buttons.
import { useLayoutEffect, useRef } from "react";

const KEYS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

export const RovingList = ({ children }) => {
  const list = useRef(null);
  const now = useRef(null);

  useLayoutEffect(() => {
    const arrange = () => {
      const links = [...list.current.querySelectorAll("a")];
      // Who comes back to the list finds the open thread.
      if (!list.current.contains(document.activeElement) || !links.includes(now.current)) {
        now.current = links.find((link) => link.ariaCurrent === "page") ?? links[0];
      }
      const row = now.current?.closest("li");
      for (const one of list.current.querySelectorAll("a, button")) {
        one.tabIndex = row?.contains(one) ? 0 : -1;
      }
    };
    const focused = ({ target }) => {
      const link = target.closest("li")?.querySelector("a");
      if (!link || link === now.current) return;
      now.current = link;
      arrange();
    };
    const changed = new MutationObserver(arrange);
    const news = { childList: true, subtree: true, attributeFilter: ["aria-current"] };
    changed.observe(list.current, news);
    list.current.addEventListener("focusin", focused);
    const { current } = list;
    arrange();
    return () => {
      changed.disconnect();
      current.removeEventListener("focusin", focused);
    };
  }, []);

  const keyDown = (event) => {
    const step = KEYS[event.key];
    if (step === undefined || event.target.matches("input")) return;
    const links = [...list.current.querySelectorAll("a")];
    const at = links.indexOf(event.target.closest("li")?.querySelector("a"));
    event.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  };

  return (
    <ul ref={list} onKeyDown={keyDown}>
      {children}
    </ul>
  );
};
