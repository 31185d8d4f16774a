// @ts-check
// Forms about the account of a signed-in user: each is one HTTP request, answered in place.

import { useEffect, useState } from "react";
import { ActionForm, Problem } from "./forms.jsx";
import { accountRequest, leaving, messageOf, useRequest } from "./request.jsx";
import { signedOut } from "./session.jsx";

// What was typed may stay, but no secret.
/** @param {HTMLFormElement} form */
const clearSecrets = (form) => {
  /** @type {NodeListOf<HTMLInputElement>} */
  const secrets = form.querySelectorAll("[autocomplete$=password], [autocomplete=one-time-code]");
  for (const field of secrets) field.value = "";
};

/**
 * @param {Blob} blob
 * @param {string} name
 */
const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

/**
 * A form that sends its fields as one JSON object, or sends nothing with GET.
 *
 * @param {{
 *   action: string,
 *   method?: string,
 *   values?: Record<string, unknown>,
 *   missing?: string,
 *   resets?: boolean,
 *   problemId?: string,
 *   done?: string,
 *   fileName?: string,
 *   endsSession?: boolean,
 *   onDone?: () => void,
 *   className?: string,
 *   children?: import("react").ReactNode,
 * }} props
 */
export const AccountForm = ({
  action,
  method = "POST",
  values,
  missing,
  resets,
  problemId,
  done,
  fileName,
  endsSession,
  onDone,
  className,
  children,
}) => {
  const state = useRequest();
  const [isDone, setIsDone] = useState(false);

  /** @param {HTMLFormElement} form */
  const submit = (form) => {
    setIsDone(false);
    const fields = { ...Object.fromEntries(new FormData(form)), ...values };
    const json = method === "GET" ? undefined : fields;
    return state.run(async () => {
      const { response, data } = await accountRequest(action, { method, json, missing });
      if (fileName) save(await response.blob(), fileName);
      if (endsSession) signedOut();
      if (endsSession || typeof data.url === "string") {
        location.assign(data.url ?? "/signin");
        return leaving();
      }
      clearSecrets(form);
      if (resets) form.reset();
      setIsDone(true);
      onDone?.();
      return undefined;
    });
  };

  return (
    <ActionForm
      className={`account-form ${className ?? ""}`}
      state={state}
      problemId={problemId}
      done={(isDone && done) || ""}
      onSubmit={submit}
      onInput={() => setIsDone(false)}
    >
      {children}
    </ActionForm>
  );
};

/**
 * The message of the `?error=` code in the page's URL.
 *
 * @param {{messages: Record<string, string>}} props
 */
export const UrlProblem = ({ messages }) => {
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const code = new URLSearchParams(location.search).get("error");
    if (code) setProblem(messageOf(messages, code));
  }, [messages]);
  return <Problem>{problem}</Problem>;
};
