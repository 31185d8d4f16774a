// @ts-check
// What the link of an email leads to. Its token stands behind the `#`, which reaches no server, no
// log and no other site; it is posted after a click, and then it leaves the URL too.

import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { ActionForm } from "./forms.jsx";
import { authRequest, fieldsOf, leaving, request, useRequest } from "./request.jsx";
import { signedIn } from "./session.jsx";

const REMEMBER = "Keep me signed in on this device";
const NEEDS_PASSWORD =
  "You asked for this in another browser. Enter the password that you chose there.";
const NEEDS_SESSION = "Sign in here as the user who asked for this link; then open it again.";

/** @type {Record<string, {lead: string, button: string, signsIn?: boolean}>} By purpose. */
const TEXTS = {
  sign_in_link: { lead: "You will be signed in as", button: "Sign in", signsIn: true },
  sign_up: { lead: "Your account will be created for", button: "Create account", signsIn: true },
  verify_email: { lead: "Confirm that this is your email:", button: "Confirm" },
  change_email: { lead: "Your email will change to", button: "Use this email" },
};

const tokenInUrl = () => location.hash.slice(1);
const removeTokenFromUrl = () => history.replaceState(history.state, "", location.pathname);

// The link of another email, opened in the same tab, changes nothing but what is behind the `#`.
const useReloadOnNewToken = () =>
  useEffect(() => {
    const reload = () => {
      if (tokenInUrl()) location.reload();
    };
    addEventListener("hashchange", reload);
    return () => removeEventListener("hashchange", reload);
  }, []);

/**
 * Shows its second child when the query of the URL has a parameter, else its first.
 *
 * @param {{parameter: string, children: import("react").ReactNode[]}} props
 */
export const IfQuery = ({ parameter, children }) => {
  const [isThere, setIsThere] = useState(false);
  useEffect(() => setIsThere(new URLSearchParams(location.search).has(parameter)), [parameter]);
  return children[isThere ? 1 : 0];
};

/**
 * The hidden field of a form that holds the token of the URL.
 *
 * @param {{purpose: string}} props
 */
export const EmailToken = ({ purpose }) => {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [token, setToken] = useState("");
  useReloadOnNewToken();
  useEffect(() => {
    setToken(`${purpose}.${tokenInUrl()}`);
    const form = field.current?.form;
    form?.addEventListener("submit", removeTokenFromUrl);
    return () => form?.removeEventListener("submit", removeTokenFromUrl);
  }, [purpose]);
  return <input ref={field} type="hidden" name="token" value={token} readOnly />;
};

/**
 * Shows what the link of an email will do, and does it at a click. Its child is a password field, for
 * a link that was opened in another browser.
 *
 * @param {{
 *   lookup: string,
 *   actions: Record<string, string>,
 *   messages: Record<string, string>,
 *   problemId?: string,
 *   children?: import("react").ReactNode,
 * }} props `lookup` is the route that tells what a token is for; `actions` are the routes by purpose.
 */
export const EmailLink = ({ lookup, actions, messages, problemId, children }) => {
  const [token, setToken] = useState("");
  const [found, setFound] = useState(
    /** @type {{email: string, needs?: string, callbackUrl?: string} | null} */ (null),
  );
  const state = useRequest();
  const purpose = token.split(".", 1)[0];
  const texts = TEXTS[purpose];
  useReloadOnNewToken();

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the page opens
  useEffect(() => {
    const inUrl = tokenInUrl();
    setToken(inUrl);
    const body = new URLSearchParams({ token: inUrl });
    state.run(async () => setFound((await request(lookup, { body })).data));
  }, []);

  /** @param {HTMLFormElement} form */
  const submit = (form) => {
    const fields = fieldsOf(form);
    removeTokenFromUrl();
    return state.run(async () => {
      const url = await authRequest(actions[purpose], fields, messages);
      if (texts.signsIn) signedIn(url);
      else location.assign(url);
      return leaving();
    });
  };

  return (
    <ActionForm
      method="post"
      action={actions[purpose]}
      className="auth-form"
      state={state}
      problemId={problemId}
      onSubmit={submit}
    >
      {found && (
        <>
          <input type="hidden" name="token" value={token} />
          {found.callbackUrl && (
            <input type="hidden" name="callbackUrl" value={found.callbackUrl} />
          )}
          <p className="email-lead">
            {texts.lead} <strong>{found.email}</strong>
          </p>
          {found.needs === "session" && (
            <>
              <p className="hint">{NEEDS_SESSION}</p>
              <Link className="button wide" to="/signin">
                Sign in
              </Link>
            </>
          )}
          {found.needs === "password" && (
            <>
              <p className="hint">{NEEDS_PASSWORD}</p>
              {children}
            </>
          )}
          {found.needs !== "session" && (
            <>
              {texts.signsIn && (
                <label className="check">
                  <input type="checkbox" name="remember" value="1" />
                  <span>{REMEMBER}</span>
                </label>
              )}
              <button type="submit" className="button wide">
                {texts.button}
              </button>
            </>
          )}
        </>
      )}
    </ActionForm>
  );
};
