// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// The forms that sign in. They are native form posts, so they work without this script too; with it
// a refused form keeps its fields, and the other tabs learn that the session changed.

import { useEffect, useRef, useState } from "react";
import { ActionForm, CallbackUrl } from "./forms.jsx";
import {
  authRequest,
  callbackUrl,
  fieldsOf,
  leaving,
  localPath,
  messageOf,
  useRequest,
} from "./request.jsx";
import {
  backFromIdentityProvider,
  goToIdentityProvider,
  hasLostSession,
  onOtherTab,
  onPageHide,
  signedIn,
} from "./session.jsx";

const SIGNED_OUT = "You've been signed out.";

// Asking for an email, or for the code of a second factor, is not a sign-in yet.
/** @param {URL} url */
const isPending = (url) =>
  url.pathname.startsWith("/signin/code") ||
  ["sent", "done"].some((name) => url.searchParams.has(name));

const SENT_TO = "chat-sent-to"; // in this tab: whom a link was sent to, until a form takes it

/**
 * Post what signs in, and go to the page in the response.
 *
 * @param {string} action
 * @param {URLSearchParams} fields
 * @param {Record<string, string>} messages
 * @throws {import("./request.jsx").RequestError} The server refused.
 */
export const signIn = async (action, fields, messages) => {
  const url = await authRequest(action, fields, messages);
  if (!isPending(url)) {
    signedIn(url);
    return;
  }
  const email = fields.get("email");
  if (email && url.searchParams.has("sent")) sessionStorage.setItem(SENT_TO, email);
  location.assign(url);
};

/**
 * A form that signs in or up.
 *
 * @param {{
 *   action: string,
 *   messages: Record<string, string>,
 *   problemId?: string,
 *   children?: import("react").ReactNode,
 * }} props
 */
export const AuthForm = ({ action, messages, problemId, children }) => {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const state = useRequest();
  const { problem, busy, setProblem } = state;
  const accepted = useRef(false);
  const [isSignedOut, setIsSignedOut] = useState(false);

  useEffect(() => {
    backFromIdentityProvider(false);
    setIsSignedOut(location.pathname.startsWith("/signin") && hasLostSession());
    const code = new URLSearchParams(location.search).get("error");
    if (code !== null) setProblem(messageOf(messages, code));
  }, []);

  // What is sent again goes to the same email.
  useEffect(() => {
    if (new URLSearchParams(location.search).has("sent")) return;
    const email = sessionStorage.getItem(SENT_TO);
    sessionStorage.removeItem(SENT_TO);
    /** @type {HTMLInputElement | null | undefined} */
    const field = form.current?.querySelector("[name=email]");
    if (email && field && !field.value) field.value = email;
  }, []);

  // The back button must not bring back what was typed by a user who has signed in.
  useEffect(() => onPageHide(() => accepted.current && form.current?.reset()), []);

  useEffect(
    () => onOtherTab((message) => message === "in" && location.assign(localPath(callbackUrl()))),
    [],
  );

  // Once the fields are enabled again: everything typed stays but the secret.
  useEffect(() => {
    if (!problem || busy) return;
    /** @type {HTMLInputElement | null | undefined} */
    const secret = form.current?.querySelector("[name=password], [name=code]");
    if (!secret) return;
    secret.value = "";
    secret.focus();
  }, [problem, busy]);

  /** @param {HTMLFormElement} submitted */
  const submit = (submitted) =>
    state.run(async () => {
      await signIn(action, fieldsOf(submitted), messages);
      accepted.current = true;
      return leaving();
    });

  return (
    <ActionForm
      ref={form}
      method="post"
      action={action}
      className="auth-form"
      state={state}
      problemId={problemId}
      hidden={
        <>
          <CallbackUrl />
          <p className="note" role="status">
            {isSignedOut && !problem && SIGNED_OUT}
          </p>
        </>
      }
      onSubmit={submit}
    >
      {children}
    </ActionForm>
  );
};

/**
 * A page for signed-out users. Where no gateway sends it, it asks for the session by itself, and leads
 * a user who has one on.
 *
 * @param {{route: string, children?: import("react").ReactNode}} props
 */
export const AnonymousOnly = ({ route, children }) => {
  useEffect(() => {
    const ask = async () => {
      try {
        const response = await fetch(route, { credentials: "include" });
        const isSignedIn = response.ok && (await response.json()) !== null;
        if (isSignedIn) location.replace(localPath(callbackUrl()));
      } catch {
        // The server is unreachable; the form says so when it is sent.
      }
    };
    ask();
  }, [route]);
  return children;
};

// The page has one "remember" checkbox for all login methods.
const isRemembered = () =>
  /** @type {HTMLInputElement | null} */ (
    document.querySelector("input[type=checkbox][name=remember]")
  )?.checked;

/**
 * A button that goes to an identity provider. A script navigates, not the form: the provider may
 * redirect to further hosts, which `form-action` of the page's policy would have to know.
 *
 * @param {{
 *   action: string,
 *   messages: Record<string, string>,
 *   children?: import("react").ReactNode,
 * }} props
 */
export const IdentityProviderForm = ({ action, messages, children }) => {
  const state = useRequest();

  useEffect(() => {
    // A user who comes back with the back button may want another provider.
    addEventListener("pageshow", state.reset);
    return () => removeEventListener("pageshow", state.reset);
  }, []);

  /** @param {HTMLFormElement} form */
  const submit = (form) => {
    const fields = fieldsOf(form);
    fields.set("remember", isRemembered() ? "1" : "");
    return state.run(async () => {
      goToIdentityProvider(await authRequest(action, fields, messages));
      return leaving();
    });
  };

  return (
    <ActionForm
      method="post"
      action={action}
      state={state}
      hidden={<CallbackUrl />}
      onSubmit={submit}
    >
      {children}
    </ActionForm>
  );
};
