// @ts-check
// The thread list: keyboard navigation, the menu of a row, the field that renames a thread, the button
// that undoes a deletion, and loading more.

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { moveFocus } from "../ui/roving_focus.jsx";

/** The id of the thread that is being restored: its row takes the focus, which the button had. */
let restoring = "";

/** @param {Element | null | undefined} element */
const linkOfRow = (element) => element?.closest("li")?.querySelector("a") ?? null;

/**
 * The links of a list, and of the other lists of its `nav`: the arrow keys go through all of them.
 *
 * @param {Element} list
 */
const resultsAround = (list) => [
  .../** @type {NodeListOf<HTMLAnchorElement>} */ (
    (list.closest("nav") ?? list).querySelectorAll("li a")
  ),
];

/**
 * Goes back to the search field that stands before a list; whether there is one.
 *
 * @param {Element} list
 */
const focusSearch = (list) => {
  const before = list.closest("nav")?.previousElementSibling;
  const field = before?.querySelector("input[type=search]");
  /** @type {HTMLElement | undefined} */ (field ?? undefined)?.focus();
  return Boolean(field);
};

/**
 * A search field above a list: Enter and the arrow down go from it to the first result.
 *
 * @param {{className?: string, children?: import("react").ReactNode}} props
 */
export const SearchField = ({ className, children }) => {
  /** @param {import("react").KeyboardEvent<HTMLDivElement>} event */
  const keyDown = (event) => {
    if (event.nativeEvent.isComposing || !["ArrowDown", "Enter"].includes(event.key)) return;
    const first = event.currentTarget.nextElementSibling?.querySelector("li a");
    if (!first) return;
    event.preventDefault();
    /** @type {HTMLElement} */ (first).focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the field inside takes the keys
    <div className={className} onKeyDown={keyDown}>
      {children}
    </div>
  );
};

/**
 * A list with a roving tabindex: it is one tab stop, its arrow keys go from row to row, and Tab goes
 * from a row to that row's own buttons.
 *
 * @param {{children?: import("react").ReactNode}} props
 */
export const RovingList = ({ children }) => {
  const list = useRef(/** @type {HTMLUListElement | null} */ (null));
  const current = useRef(/** @type {HTMLAnchorElement | null} */ (null));

  useLayoutEffect(() => {
    const root = list.current;
    if (!root) return undefined;
    const arrange = () => {
      const links = [...root.querySelectorAll("a")];
      // A user who comes back to the list finds the open thread.
      const isInside = root.contains(document.activeElement);
      if (!isInside || !current.current || !links.includes(current.current)) {
        current.current = links.find((link) => link.ariaCurrent === "page") ?? links[0] ?? null;
      }
      const row = current.current?.closest("li");
      for (const element of root.querySelectorAll("a, button")) {
        /** @type {HTMLElement} */ (element).tabIndex = row?.contains(element) ? 0 : -1;
      }
      const restored = restoring && links.find((link) => link.pathname === `/c/${restoring}`);
      if (!restored) return;
      restoring = "";
      // Only when it was lost with the button.
      if (document.activeElement === document.body) restored.focus();
    };
    /** @param {FocusEvent} event */
    const focused = ({ target }) => {
      const link = linkOfRow(/** @type {Element} */ (target));
      if (!link || link === current.current) return;
      current.current = link;
      arrange();
    };
    const observer = new MutationObserver(arrange);
    observer.observe(root, { childList: true, subtree: true, attributeFilter: ["aria-current"] });
    root.addEventListener("focusin", focused);
    arrange();
    return () => {
      observer.disconnect();
      root.removeEventListener("focusin", focused);
    };
  }, []);

  /** @param {import("react").KeyboardEvent<HTMLUListElement>} event */
  const keyDown = (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.matches("input")) return;
    const links = resultsAround(event.currentTarget);
    const isFirst = linkOfRow(target) === links[0];
    if (isFirst && event.key === "ArrowUp" && focusSearch(event.currentTarget)) {
      event.preventDefault();
    } else moveFocus(event, links, { from: linkOfRow(target) });
  };

  return (
    <ul ref={list} onKeyDown={keyDown}>
      {children}
    </ul>
  );
};

const MENU_GAP = 4; // pixels between the button and its menu, and between the menu and the screen

/**
 * Puts a menu below its button, or above it where there is no room, with their ends aligned.
 *
 * @param {HTMLElement} menu
 * @param {HTMLElement} button
 */
const place = (menu, button) => {
  const from = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const below = from.bottom + MENU_GAP;
  const fits = below + height + MENU_GAP <= innerHeight;
  menu.style.top = `${fits ? below : Math.max(MENU_GAP, from.top - MENU_GAP - height)}px`;
  menu.style.left = `${Math.max(MENU_GAP, from.right - width)}px`;
};

/**
 * Shows a menu, with the focus on its first item.
 *
 * @param {HTMLElement | null} menu
 * @param {HTMLElement | null} button
 */
const open = (menu, button) => {
  if (!menu || !button) return;
  menu.showPopover();
  place(menu, button);
  menu.querySelector("button")?.focus();
};

/**
 * A button with a menu of what can be done to a row, for devices without a pointer that hovers. The
 * menu is in the document only while it is open.
 *
 * @param {{
 *   label: string,
 *   canMove?: boolean,
 *   onRename: () => void,
 *   onMove?: () => void,
 *   onDelete: () => void,
 *   children?: import("react").ReactNode,
 * }} props The children are the icons of the button and of the items.
 */
export const RowMenu = ({ label, canMove = false, onRename, onMove, onDelete, children }) => {
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const menu = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [isOpen, setIsOpen] = useState(false);
  const wasOpen = useRef(false);
  const [more, rename, remove, move] = /** @type {import("react").ReactNode[]} */ (children);

  useLayoutEffect(() => {
    if (isOpen) open(menu.current, button.current);
  }, [isOpen]);

  /** @param {import("react").KeyboardEvent<HTMLDivElement>} event */
  const keyDown = (event) => {
    event.stopPropagation(); // the arrow keys of the list go from row to row
    if (event.key === "Tab") menu.current?.hidePopover();
    moveFocus(event, event.currentTarget.querySelectorAll("button"));
  };

  // The press that closes the menu is not one that opens it again.
  const toggle = () => {
    const opens = !wasOpen.current;
    wasOpen.current = false;
    // It was closed just now, and the event that says so has not come yet.
    if (opens && isOpen) open(menu.current, button.current);
    else setIsOpen(opens);
  };

  /** @param {() => void} act */
  const choose = (act) => () => {
    menu.current?.hidePopover();
    act();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className="icon-button row-more"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onPointerDown={() => {
          wasOpen.current = isOpen;
        }}
        onClick={toggle}
      >
        {more}
      </button>
      {isOpen && (
        <div
          ref={menu}
          popover="auto"
          role="menu"
          aria-label={label}
          className="menu row-menu"
          onKeyDown={keyDown}
          onToggle={({ newState }) => newState === "closed" && setIsOpen(false)}
        >
          <button type="button" role="menuitem" className="menu-item" onClick={choose(onRename)}>
            {rename}
            Rename
          </button>
          {canMove && onMove && (
            <button type="button" role="menuitem" className="menu-item" onClick={choose(onMove)}>
              {move}
              Move to…
            </button>
          )}
          <button
            type="button"
            role="menuitem"
            className="menu-item danger"
            onClick={choose(onDelete)}
          >
            {remove}
            Delete
          </button>
        </div>
      )}
    </>
  );
};

/**
 * A field that renames a thread in place: Enter or blur saves, Escape cancels.
 *
 * @param {{
 *   title: string,
 *   onSave: (fields: {title: string}) => void,
 *   onCancel: () => void,
 * }} props
 */
export const TitleField = ({ title, onSave, onCancel }) => {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const isDone = useRef(false);
  const byKey = useRef(false);

  useEffect(() => {
    const row = field.current?.closest("li");
    isDone.current = false;
    field.current?.focus();
    field.current?.select();
    // A user of the keyboard goes on from the row that the field was in.
    return () => {
      if (byKey.current) requestAnimationFrame(() => row?.querySelector("a")?.focus());
    };
  }, []);

  const finish = (/** @type {boolean} */ keep, isKey = false) => {
    if (isDone.current) return;
    isDone.current = true;
    byKey.current = isKey;
    const value = field.current?.value.trim();
    if (keep && value && value !== title) onSave({ title: value });
    else onCancel();
  };

  return (
    <form
      className="rename"
      onSubmit={(event) => {
        event.preventDefault();
        finish(true, true);
      }}
    >
      <input
        ref={field}
        name="title"
        className="field small"
        defaultValue={title}
        maxLength={200}
        autoComplete="off"
        enterKeyHint="done"
        aria-label="New title"
        onBlur={() => finish(true)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
          // The drawer around it stays open.
          event.preventDefault();
          event.stopPropagation();
          finish(false, true);
        }}
      />
    </form>
  );
};

/**
 * The button that undoes a deletion, or a move. The row that had the focus is gone, so this takes it,
 * and then gives it to the row that comes back.
 *
 * @param {{thread: string, onUndo: () => void, children?: import("react").ReactNode}} props
 */
export const UndoButton = ({ thread, onUndo, children }) => {
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => button.current?.focus(), []);
  const undo = () => {
    restoring = thread;
    button.current?.blur(); // what stands around it would take the focus when it goes
    onUndo();
  };
  return (
    <button ref={button} type="button" className="text-button" onClick={undo}>
      {children}
    </button>
  );
};

/**
 * A button at the end of a paginated list that presses itself when it comes near the view.
 *
 * @param {{label: string, length: number, onReach: () => void}} props `length`: how many rows there
 *   are, so that each page is requested once.
 */
export const LoadMore = ({ label, length, onReach }) => {
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const reach = useRef(onReach);
  reach.current = onReach;

  // Observed again after each page: a short page may leave the end in view.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (!button.current) return undefined;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (!entry.isIntersecting) return;
        observer.disconnect();
        reach.current();
      },
      { rootMargin: "240px" },
    );
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [length]);

  return (
    <button ref={button} type="button" className="quiet-button more" onClick={() => onReach()}>
      {label}
    </button>
  );
};
