// @ts-check
// The organisations of the user: which one is the current one of the tab, and the dialog that moves a
// chat to another one. Personal, which is none, is the one without an id.
//
// <div class="organisation-choices" role="radiogroup" aria-label="Organisation">   in the account menu
//   <button class="menu-item" role="radio" aria-checked>
// a DialogForm, while there is a thread
//   <fieldset class="plain move-choices"><legend><label><input type="radio">
//   <p class="hint" role="status">   who can read the chat there

import { useEffect, useId, useState } from "react";
import { DialogForm } from "../ui/dialog_form.jsx";
import { moveFocus } from "../ui/roving_focus.jsx";

/**
 * @typedef {{id: string, name: string, allows_admin_reading: boolean, is_reading_off: boolean}}
 *   Organisation
 */

const SIDEWAYS = { ArrowRight: 1, ArrowLeft: -1 };

/**
 * The current organisation, as a group of radio buttons in a menu: one tab stop. The arrow keys only
 * move the focus, as in other menus, because a choice leaves the open chat.
 *
 * @param {{
 *   choices: Organisation[],
 *   value: string,
 *   onPick: (id: string) => void,
 *   children?: import("react").ReactNode,
 * }} props `children`: the mark of the current one.
 */
export const OrganisationChoices = ({ choices, value, onPick, children }) => {
  /** @param {import("react").KeyboardEvent<HTMLDivElement>} event */
  const keyDown = (event) =>
    moveFocus(event, event.currentTarget.querySelectorAll("button"), { more: SIDEWAYS });

  /**
   * @param {import("react").MouseEvent<HTMLButtonElement>} event
   * @param {string} id
   */
  const pick = ({ currentTarget }, id) => {
    /** @type {HTMLElement | null} */ (currentTarget.closest("[popover]"))?.hidePopover();
    if (id !== value) onPick(id);
  };

  return (
    <div
      role="radiogroup"
      aria-label="Organisation"
      className="organisation-choices"
      onKeyDown={keyDown}
    >
      {choices.map(({ id, name }) => (
        // biome-ignore lint/a11y/useSemanticElements: a radio of the browser would choose at each arrow
        <button
          key={id}
          type="button"
          role="radio"
          aria-checked={id === value}
          tabIndex={id === value ? 0 : -1}
          className="menu-item"
          onClick={(event) => pick(event, id)}
        >
          <span className="organisation-name">{name}</span>
          {id === value && children}
        </button>
      ))}
    </div>
  );
};

/**
 * The dialog that moves a chat to another organisation. It stays until the server has moved it.
 *
 * @param {{
 *   title: string,
 *   choices: Organisation[],
 *   current: string,
 *   problem: string,
 *   onMove: (id: string) => void,
 *   onClose: () => void,
 * }} props `title`: that of the thread. `current`: the id of the organisation that it is in.
 */
export const MoveDialog = ({ title, choices, current, problem, onMove, onClose }) => {
  const id = useId();
  const others = choices.filter((choice) => choice.id !== current);
  const [picked, setPicked] = useState(others[0]?.id ?? "");
  const [isMoving, setIsMoving] = useState(false);
  const chosen = others.find((choice) => choice.id === picked) ?? others[0];

  useEffect(() => {
    if (problem) setIsMoving(false);
  }, [problem]);

  const submit = () => {
    if (!chosen) return;
    setIsMoving(true);
    onMove(chosen.id);
  };

  return (
    <DialogForm
      title={`Move “${title}”`}
      describedBy={`${id}readers`}
      problem={problem}
      status={isMoving ? "Moving…" : ""}
      label="Move"
      isBusy={isMoving}
      onSubmit={submit}
      onClose={onClose}
    >
      <fieldset className="plain move-choices">
        <legend className="sr-only">Where to</legend>
        {others.map((choice) => (
          <label key={choice.id} className="move-choice">
            <input
              type="radio"
              name="organisation"
              value={choice.id}
              checked={choice.id === chosen?.id}
              onChange={() => setPicked(choice.id)}
            />
            <span className="organisation-name">{choice.name}</span>
          </label>
        ))}
      </fieldset>
      <p id={`${id}readers`} className="hint" role="status">
        {chosen && readers(chosen)}
      </p>
    </DialogForm>
  );
};

/**
 * Who can read a chat in an organisation.
 *
 * @param {Organisation} organisation
 */
const readers = ({ id, name, allows_admin_reading: allowsAdminReading, is_reading_off: isOff }) => {
  const onlyYou = "Only you can read it there";
  if (!id) return `${onlyYou}.`;
  const stays = `It stays in ${name} if you leave.`;
  if (isOff) return `${onlyYou}. ${stays}`;
  return allowsAdminReading
    ? `You can read it there. Admins of ${name} can too, if they give a reason. ${stays}`
    : `${onlyYou}, unless an owner of ${name} lets admins read chats. ${stays}`;
};
