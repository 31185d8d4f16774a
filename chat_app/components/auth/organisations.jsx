// @ts-check
// Forms of an organisation's page: an invitation, whose link is shown once where no email is sent,
// and a field that must repeat a name.

import { useEffect, useRef, useState } from "react";
import { ShownOnce } from "../ui/shown_once.jsx";
import { ActionForm } from "./forms.jsx";
import { accountRequest, useRequest } from "./request.jsx";

/**
 * A form that sends an invitation. Where no mail server is set up, the response has the link.
 *
 * @param {{
 *   action: string,
 *   lead: string,
 *   done?: string,
 *   missing?: string,
 *   problemId?: string,
 *   onDone?: () => void,
 *   children?: import("react").ReactNode,
 * }} props `lead` is said of the link; `done` where it was emailed.
 */
export const InvitationForm = ({ action, lead, done, missing, problemId, onDone, children }) => {
  const state = useRequest();
  const [link, setLink] = useState({ url: "", email: "" });
  const [isSent, setIsSent] = useState(false);

  /** @param {HTMLFormElement} form */
  const submit = (form) => {
    const json = Object.fromEntries(new FormData(form)); // while they are enabled
    setIsSent(false);
    return state.run(async () => {
      const body = Object.keys(json).length ? json : undefined;
      const { data } = await accountRequest(action, { json: body, missing });
      form.reset();
      setLink({ url: data.link ?? "", email: String(json.email ?? "") });
      setIsSent(!data.link);
      onDone?.();
    });
  };

  if (link.url)
    return (
      <ShownOnce
        title={`Copy the invitation link${link.email && ` for ${link.email}`}`}
        lead={lead}
        value={link.url}
        onDone={() => setLink({ url: "", email: "" })}
      />
    );
  return (
    <ActionForm
      className="account-form"
      state={state}
      problemId={problemId}
      done={(isSent && done) || ""}
      onSubmit={submit}
      onInput={() => setIsSent(false)}
    >
      {children}
    </ActionForm>
  );
};

const DIFFERENT = "Type the name exactly as it is shown.";

/**
 * A field without which a form is not sent until it repeats a text; the text itself is not sent.
 *
 * @param {{expected: string} & import("react").ComponentProps<"input">} props
 */
export const RepeatField = ({ expected, ...props }) => {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const check = () => {
    const value = field.current?.value.trim();
    field.current?.setCustomValidity(value === expected.trim() ? "" : DIFFERENT);
  };
  useEffect(check, [expected]);
  return <input {...props} ref={field} onInput={check} required />;
};
