// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// The choice of a model: a select-only combobox with a listbox of our own (ARIA Authoring Practices,
// "Select-Only Combobox"). The focus stays on the button; the list is a popover, so that Escape, a
// click elsewhere and another popover close it.
//
// <button class="model-button" role="combobox" aria-expanded aria-controls aria-activedescendant>
// <div class="model-list" role="listbox" popover>
//   <div class="model-option" role="option" aria-selected data-value>   data-active on the one that
//     <span class="model-title">                                          Enter chooses
//     <span class="model-about">      what it can; then what it costs
//     <span class="model-problem">    why it may not answer now
// <span class="only-model">   instead of them, where there is nothing to choose

import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { nextIndex } from "../ui/roving_focus.jsx";

const PAGE = 10; // options that Page Up and Page Down skip
const TYPING_MS = 700; // from letter to letter of one word
const TALLEST = 360; // pixels
const GAP = 8; // pixels between the button and the list, and between the list and the page

const PAGES = { PageDown: PAGE, PageUp: -PAGE };

/**
 * @typedef {{
 *   id: string,
 *   name: string,
 *   about?: string,
 *   price?: string,
 *   problem?: string,
 * }} Model
 */

/**
 * @param {{
 *   models?: Model[],
 *   value?: string,
 *   onPick?: (id: string) => void,
 *   onOpen?: () => void,
 *   children?: import("react").ReactNode,
 * }} props `children`: the picture beside the name.
 */
export function ModelPicker({ models = [], value = "", onPick, onOpen, children }) {
  const chosen = models.find(({ id }) => id === value);
  const name = chosen?.name ?? value;
  if (models.length > 1) {
    return (
      <Choice
        models={models}
        value={value}
        name={name}
        problem={chosen?.problem}
        onPick={onPick}
        onOpen={onOpen}
      >
        {children}
      </Choice>
    );
  }
  if (!name) return null; // nothing is loaded yet
  return (
    <span className="only-model" title={chosen?.about || undefined}>
      <span className="sr-only">Model: </span>
      {name}
      <Warning problem={chosen?.problem} />
    </span>
  );
}

/**
 * @param {{
 *   models: Model[],
 *   value: string,
 *   name: string,
 *   problem?: string,
 *   onPick?: (id: string) => void,
 *   onOpen?: () => void,
 *   children?: import("react").ReactNode,
 * }} props
 */
function Choice({ models, value, name, problem, onPick, onOpen, children }) {
  const id = useId();
  /** @type {import("react").RefObject<HTMLButtonElement>} */
  const button = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const list = useRef(/** @type {any} */ (null));
  const [isOpen, setIsOpen] = useState(false);
  const [active, setActive] = useState(0);
  const typed = useRef({ word: "", at: 0 });
  const chosen = models.findIndex((model) => model.id === value);
  const first = Math.max(chosen, 0); // of the list, when it opens

  const showActive = () => list.current.children[active]?.scrollIntoView({ block: "nearest" });

  useLayoutEffect(() => {
    if (isOpen) showActive();
  }, [isOpen, active]);

  // A keyboard on the screen goes away with the focus of its field, and the button moves.
  useEffect(() => {
    if (!isOpen) return undefined;
    const moved = () => place(list.current, button.current);
    addEventListener("resize", moved);
    return () => removeEventListener("resize", moved);
  }, [isOpen]);

  /** @param {import("react").ToggleEvent} event Its state is known at once, before it is shown. */
  function toggled({ newState }) {
    if (newState === "open") {
      place(list.current, button.current);
      button.current.focus(); // a click does not do it everywhere
      onOpen?.();
    }
    setIsOpen(newState === "open");
  }

  /** @param {number} index */
  function open(index) {
    setActive(index);
    if (!list.current.matches(":popover-open")) list.current.showPopover();
  }

  /** @param {number} index */
  function pick(index) {
    list.current.hidePopover();
    if (models[index].id !== value) onPick?.(models[index].id);
  }

  /**
   * Go to the next model whose name begins with what is typed; the same letter again goes on.
   *
   * @param {string} letter
   * @param {number} now Milliseconds.
   */
  function type(letter, now) {
    const goesOn = now - typed.current.at < TYPING_MS;
    const word = (goesOn ? typed.current.word : "") + letter.toLowerCase();
    typed.current = { word, at: now };
    const isRepeated = [...word].every((other) => other === word[0]);
    const from = (isOpen ? active : first) + (isRepeated ? 1 : 0);
    const order = models.map((_, index) => (from + index) % models.length);
    const wanted = isRepeated ? word[0] : word;
    const found = order.find((index) => models[index].name.toLowerCase().startsWith(wanted));
    const index = found ?? (isOpen ? active : first);
    if (isOpen) setActive(index);
    else open(index);
  }

  /** @param {import("react").KeyboardEvent} event */
  function keyDown(event) {
    const { key, altKey } = event;
    const next = nextIndex(key, active, models.length, PAGES);
    const isLetter = key.length === 1 && key !== " " && !event.ctrlKey && !event.metaKey && !altKey;
    const isChoice = key === "Enter" || key === " " || (altKey && key === "ArrowUp");
    if (isLetter) type(key, event.timeStamp);
    else if (isOpen && key === "Tab") {
      pick(active);
      return; // and on to what comes next
    } else if (isOpen && isChoice) pick(active);
    else if (isOpen && next !== undefined) setActive(next);
    else if (!isOpen && (isChoice || key === "ArrowDown" || key === "ArrowUp")) open(first);
    else if (!isOpen && (key === "Home" || key === "End")) {
      open(key === "Home" ? 0 : models.length - 1);
    } else return;
    event.preventDefault();
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        className="model-button"
        role="combobox"
        aria-label="Model"
        aria-haspopup="listbox"
        aria-expanded={isOpen}
        aria-controls={id}
        aria-activedescendant={isOpen ? `${id}${active}` : undefined}
        // The browser opens and closes the list, so that a click on the button of an open one closes it.
        popoverTarget={id}
        onClick={() => setActive(first)}
        onKeyDown={keyDown}
        onKeyUp={(event) => {
          if (event.key === " ") event.preventDefault(); // else it is a click too
        }}
      >
        <span className="model-name">{name}</span>
        <Warning problem={problem} />
        {children}
      </button>
      <div
        ref={list}
        id={id}
        className="model-list"
        role="listbox"
        aria-label="Model"
        popover="auto"
        onBeforeToggle={toggled}
        onToggle={showActive}
        onMouseDown={(event) => event.preventDefault()}
      >
        {models.map((model, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys go to the combobox
          // biome-ignore lint/a11y/useFocusableInteractive: and the focus stays there
          <div
            key={model.id}
            id={`${id}${index}`}
            className="model-option"
            role="option"
            aria-selected={index === chosen}
            data-value={model.id}
            data-active={index === active}
            onClick={() => pick(index)}
            onPointerMove={() => setActive(index)}
          >
            <span className="model-title">{model.name}</span>
            <Facts model={model} />
          </div>
        ))}
      </div>
    </>
  );
}

/**
 * A dot beside the name of a model that may not answer now.
 *
 * @param {{problem?: string}} props
 */
function Warning({ problem }) {
  if (!problem) return null;
  return (
    <span className="model-warning" title={problem}>
      <span className="sr-only">. {problem}</span>
    </span>
  );
}

/**
 * What is known of a model; a screen reader reads each line apart.
 *
 * @param {{model: Model}} props
 */
function Facts({ model: { about, price, problem } }) {
  return (
    <>
      {about && <span className="model-about"> {about}</span>}
      {price && <span className="model-about"> {price}</span>}
      {problem && <span className="model-problem"> {problem}</span>}
    </>
  );
}

/**
 * Put the list where there is more room: above its button or below.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement} button
 */
function place(list, button) {
  const { top, bottom, left } = button.getBoundingClientRect();
  const above = top - 2 * GAP;
  const below = innerHeight - bottom - 2 * GAP;
  const opensUp = above > below;
  const style = list.style;
  style.maxHeight = `${Math.min(Math.max(above, below), TALLEST)}px`;
  style.top = opensUp ? "auto" : `${bottom + GAP}px`;
  style.bottom = opensUp ? `${innerHeight - top + GAP}px` : "auto";
  style.left = `${left}px`;
}
