// @ts-check
// Creating an API key. It is shown from the response and stays in this component: it never goes
// through the page's state on the server.

import { useEffect, useRef, useState } from "react";
import { ShownOnce } from "../ui/shown_once.jsx";
import { ActionForm } from "./forms.jsx";
import { accountRequest, useRequest } from "./request.jsx";

const KEPT = "new-api-key";

/**
 * What was typed, as the fields of the form have it.
 *
 * @param {HTMLFormElement} form
 */
const fieldsOf = (form) => {
  const data = new FormData(form);
  return {
    name: String(data.get("name") ?? ""),
    scopes: data.getAll("scope").map(String),
    days: String(data.get("days") ?? ""),
  };
};

/**
 * Fill the form with what the same user typed before a step-up, which leaves the page.
 *
 * @param {HTMLFormElement} form
 * @param {string} owner
 */
const restore = (form, owner) => {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  sessionStorage.removeItem(KEPT);
  if (kept.owner !== owner) return;
  const { name, scopes, days } = kept;
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement && field.name === "name") field.value = name;
    else if (field instanceof HTMLInputElement && field.name === "scope")
      field.checked = scopes.includes(field.value);
    else if (field instanceof HTMLSelectElement && field.name === "days") {
      const isOffered = [...field.options].some((option) => option.value === days);
      if (isOffered) field.value = days;
    }
  }
};

/**
 * A form that creates an API key and shows it once.
 *
 * @param {{
 *   action: string,
 *   owner: string,
 *   problemId?: string,
 *   onDone?: () => void,
 *   children?: import("react").ReactNode,
 * }} props
 */
export const ApiKeyCreate = ({ action, owner, problemId, onDone, children }) => {
  const state = useRequest();
  const [key, setKey] = useState("");
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));

  useEffect(() => {
    const form = root.current?.querySelector("form");
    if (form) restore(form, owner);
  }, [owner]);

  /** @param {HTMLFormElement} form */
  const submit = (form) => {
    const fields = fieldsOf(form); // while they are enabled
    const { name, scopes, days } = fields;
    return state.run(async () => {
      const json = { name, scopes, expiresInDays: days ? Number(days) : null };
      // The page may be left for a step-up.
      sessionStorage.setItem(KEPT, JSON.stringify({ owner, ...fields }));
      try {
        setKey((await accountRequest(action, { json })).data.key);
      } finally {
        sessionStorage.removeItem(KEPT);
      }
      onDone?.();
    });
  };

  if (key)
    return (
      <ShownOnce
        title="Copy your API key"
        lead="You won't see it again. Store it like a password."
        value={key}
        onDone={() => setKey("")}
      />
    );
  return (
    <div ref={root}>
      <ActionForm className="account-form" state={state} problemId={problemId} onSubmit={submit}>
        {children}
      </ActionForm>
    </div>
  );
};
