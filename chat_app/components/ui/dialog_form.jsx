// @ts-check
// A form in a modal dialog. It stays until the server has done what the form asks for.
//
// <dialog class="chat-options" aria-labelledby>   at the end of the body: what is around may be a form
//   <form><h2>…<p class="chat-options-lead">…<p class="problem" role="alert">…
//     …children…
//     <div class="chat-options-end"><p role="status">…<button type="button">…<button type="submit">…

import { useId, useLayoutEffect, useRef } from "react";
import { createPortal } from "react-dom";

/**
 * @param {{
 *   title: import("react").ReactNode,
 *   lead?: import("react").ReactNode,
 *   describedBy?: string,
 *   problem?: import("react").ReactNode,
 *   status?: string,
 *   label: string,
 *   isBusy: boolean,
 *   isDisabled?: boolean,
 *   focusesTitle?: boolean,
 *   onSubmit: (form: HTMLFormElement) => void,
 *   onClose: () => void,
 *   children?: import("react").ReactNode,
 * }} props `label`: that of the button which submits. `isDisabled`: whether it does nothing now.
 *   `focusesTitle`: a field would open the keyboard on the screen.
 */
export const DialogForm = ({ title, lead, describedBy, problem, status, label, ...props }) => {
  const { isBusy, isDisabled = isBusy, focusesTitle = false, onSubmit, onClose, children } = props;
  const id = useId();
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it opens
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    if (focusesTitle) heading.current?.focus();
    return () => shown?.close(); // gives the focus back
  }, []);

  /** @param {import("react").SyntheticEvent<HTMLFormElement>} event */
  const submit = (event) => {
    event.preventDefault();
    event.stopPropagation(); // React's events go on to a form around it, which would send
    if (!isDisabled) onSubmit(event.currentTarget);
  };

  // In development mode it is shown, closed and shown again, and then told that it was closed.
  const closed = () => {
    if (!dialog.current?.open) onClose();
  };

  return createPortal(
    <dialog
      ref={dialog}
      className="chat-options"
      aria-labelledby={id}
      aria-describedby={describedBy}
      onClose={closed}
    >
      <form noValidate aria-busy={isBusy} onSubmit={submit}>
        <h2 ref={heading} id={id} tabIndex={focusesTitle ? -1 : undefined}>
          {title}
        </h2>
        {lead && <p className="chat-options-lead">{lead}</p>}
        <p className="problem" role="alert">
          {problem}
        </p>
        {children}
        <div className="chat-options-end">
          <p role="status">{status}</p>
          <button type="button" className="quiet-button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button" aria-disabled={isDisabled}>
            {label}
          </button>
        </div>
      </form>
    </dialog>,
    document.body,
  );
};
