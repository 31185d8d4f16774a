// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// The options of a chat: a button beside the choice of the model, and the modal dialog that it opens.
// The fields are uncontrolled, and the dialog stays until the server has stored what they have.
//
// <button class="icon-button options-button" aria-haspopup="dialog" data-set="true|false">
// a DialogForm
//   <div class="labelled"><label><textarea> or <select> or <input type="number">

import { useEffect, useId, useRef, useState } from "react";
import { Link } from "react-router";
import { DialogForm } from "../ui/dialog_form.jsx";
import { useOffline } from "../ui/offline.jsx";
import { newClientId } from "./drafts.jsx";

const UNSET = { instructions: "", temperature: null, effort: null };

/**
 * @typedef {{instructions: string, temperature: number | null, effort: string | null}} Options
 * @typedef {{
 *   instructions: number,
 *   temperature: number,
 *   efforts: {value: string, name: string}[],
 * }} Caps
 * @typedef {{id: string, efforts?: string[], temperature?: boolean}} Model
 */

/**
 * @param {{
 *   thread?: string,
 *   options?: Options | null,
 *   caps: Caps,
 *   models?: Model[],
 *   model?: string,
 *   saved?: string,
 *   refused?: string,
 *   problem?: string,
 *   isDisconnected?: boolean,
 *   onSave?: (request: string, options: Options) => void,
 *   children?: import("react").ReactNode,
 * }} props `children`: the picture in the button.
 */
export function ChatOptions(props) {
  const { thread = "", options = null, caps, models = [], model = "", children } = props;
  const { saved, refused, problem, isDisconnected, onSave } = props;
  const [opened, setOpened] = useState(/** @type {string | null} */ (null)); // the dialog's thread
  const isOpen = opened !== null;
  const { instructions, temperature, effort } = options ?? UNSET;
  const isSet = instructions !== "" || temperature !== null || effort !== null;
  const chosen = models.find(({ id }) => id === model);

  // While the page loads again, as after a restart of the server, neither the thread nor anything
  // else is known; the dialog stays with what was, and with what is typed in it.
  const isKnown = options !== null;
  const known = useRef({ options, chosen });
  if (isKnown) known.current = { options, chosen };

  // Another chat has other options. Not in an effect: the dialog would be in the way of the focus,
  // which the page of that chat gives to its composer.
  if (isOpen && (isKnown || thread) && thread !== opened) setOpened(null);

  return (
    <>
      <button
        type="button"
        className="icon-button options-button"
        title="Chat settings"
        aria-label="Chat settings"
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        data-set={isSet}
        disabled={!isKnown}
        onClick={() => setOpened(thread)}
      >
        {children}
      </button>
      {isOpen && known.current.options && (
        <Dialog
          isNew={!opened}
          isKnown={isKnown}
          options={known.current.options}
          caps={caps}
          chosen={known.current.chosen}
          saved={saved}
          refused={refused}
          problem={problem}
          isDisconnected={isDisconnected}
          onSave={onSave}
          onClose={() => setOpened(null)}
        />
      )}
    </>
  );
}

/**
 * @param {{
 *   isNew: boolean,
 *   isKnown: boolean,
 *   options: Options,
 *   caps: Caps,
 *   chosen?: Model,
 *   saved?: string,
 *   refused?: string,
 *   problem?: string,
 *   isDisconnected?: boolean,
 *   onSave?: (request: string, options: Options) => void,
 *   onClose: () => void,
 * }} props
 */
function Dialog({ isNew, isKnown, options, caps, chosen, onSave, onClose, ...answer }) {
  const { saved = "", refused = "", problem = "", isDisconnected = false } = answer;
  const id = useId();
  const [sent, setSent] = useState({ request: "", options });
  const [notANumber, setNotANumber] = useState(false);
  const offline = useOffline(isDisconnected);
  const isWaiting = offline || !isKnown;
  const isRefused = sent.request !== "" && refused === sent.request;
  const isSaving = sent.request !== "" && !isRefused;
  const [stored] = useState(options.effort); // another model's, maybe: it stays until it is changed
  const efforts = caps.efforts.filter(({ value }) => chosen?.efforts?.includes(value));
  const other = stored && efforts.every(({ value }) => value !== stored) ? stored : null;

  useEffect(() => {
    if (sent.request && saved === sent.request) onClose();
  }, [saved, sent]);

  // Back online: what was not answered is sent again, under the same name.
  useEffect(() => {
    if (!isWaiting && isSaving) onSave?.(sent.request, sent.options);
  }, [isWaiting]);

  /** @param {HTMLFormElement} form */
  function submit(form) {
    const number = form.querySelector("[type=number]");
    const isBad = number instanceof HTMLInputElement && number.validity.badInput;
    setNotANumber(isBad);
    if (isBad) return;
    const fields = new FormData(form);
    /** @param {string} name */
    const text = (name) => String(fields.get(name) ?? "").toWellFormed();
    const changed = {
      instructions: fields.has("instructions") ? text("instructions") : options.instructions,
      temperature: fields.has("temperature") ? numberOf(text("temperature")) : options.temperature,
      effort: fields.has("effort") ? text("effort") || null : options.effort,
    };
    const next = { request: newClientId(), options: changed };
    setSent(next);
    onSave?.(next.request, changed);
  }

  return (
    <DialogForm
      title="Chat settings"
      lead={
        <>
          {isNew ? "For this chat. " : "For the next answers in this chat. "}
          <Link to="/settings/chat">Settings for new chats</Link>
        </>
      }
      problem={notANumber ? "The temperature must be a number." : isRefused && problem}
      status={status(isSaving, offline)}
      label="Save"
      isBusy={isSaving}
      isDisabled={isSaving || isWaiting}
      focusesTitle
      onSubmit={submit}
      onClose={onClose}
    >
      {caps.instructions > 0 && (
        <div className="labelled">
          <label htmlFor={`${id}instructions`}>Instructions</label>
          <textarea
            id={`${id}instructions`}
            name="instructions"
            className="field"
            rows={5}
            dir="auto"
            maxLength={caps.instructions}
            defaultValue={options.instructions}
            readOnly={isSaving}
            aria-describedby={`${id}instructions-hint`}
          />
          <p id={`${id}instructions-hint`} className="hint">
            What the model should know, and how it should answer.
          </p>
        </div>
      )}
      {efforts.length > 0 && (
        <div className="labelled">
          <label htmlFor={`${id}effort`}>Thinking effort</label>
          <select
            id={`${id}effort`}
            name="effort"
            className="field"
            defaultValue={stored ?? ""}
            disabled={isSaving}
          >
            <option value="">Model's default</option>
            {efforts.map(({ value, name }) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
            {other && (
              <option value={other}>
                {caps.efforts.find(({ value }) => value === other)?.name ?? other}
              </option>
            )}
          </select>
        </div>
      )}
      {(chosen?.temperature ?? true) && (
        <div className="labelled">
          <label htmlFor={`${id}temperature`}>Temperature</label>
          <input
            id={`${id}temperature`}
            name="temperature"
            className="field number"
            type="number"
            inputMode="decimal"
            min={0}
            max={caps.temperature}
            step={0.1}
            placeholder="Model's default"
            defaultValue={options.temperature ?? ""}
            readOnly={isSaving}
            aria-describedby={`${id}temperature-hint`}
          />
          <p id={`${id}temperature-hint`} className="hint">
            0 to {caps.temperature}. Low is predictable, high is varied.
          </p>
        </div>
      )}
    </DialogForm>
  );
}

/** @param {string} text */
const numberOf = (text) => (text === "" ? null : Number(text));

/**
 * @param {boolean} isSaving
 * @param {boolean} offline
 */
function status(isSaving, offline) {
  if (offline) return isSaving ? "Waiting for the connection…" : "You're offline.";
  return isSaving ? "Saving…" : "";
}
