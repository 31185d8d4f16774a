// @ts-check
// WebAuthn in the browser: registering a passkey, and signing in with one. The server makes the
// options and verifies the credential.

import { useState } from "react";
import { useHydrated } from "../ui/use_hydrated.jsx";
import { ActionForm, Problem } from "./forms.jsx";
import {
  accountRequest,
  callbackUrl,
  leaving,
  localPath,
  RequestError,
  request,
  useRequest,
} from "./request.jsx";
import { signIn } from "./sign_in.jsx";

const UNSUPPORTED = "This browser doesn't support passkeys.";
const REFUSED = "This passkey wasn't accepted. Try again, or sign in another way.";
const KNOWN = "You already have a passkey on this device.";
const ADDED = "Passkey added. You can sign in with it now.";

// A user who closes the browser's own dialog has changed their mind; that is no failure.
const DISMISSED = ["NotAllowedError", "AbortError"];

/**
 * Run a ceremony; its failures become messages.
 *
 * @param {() => Promise<Credential | null>} ceremony
 * @returns {Promise<string>} The credential as JSON.
 */
const credential = async (ceremony) => {
  try {
    const made = /** @type {PublicKeyCredential} */ (await ceremony());
    return JSON.stringify(made.toJSON());
  } catch (error) {
    const { name } = /** @type {Error} */ (error);
    if (DISMISSED.includes(name)) throw new RequestError("");
    throw new RequestError(name === "InvalidStateError" ? KNOWN : REFUSED);
  }
};

/** @param {any} options */
const getCredential = (options) =>
  credential(() => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return navigator.credentials.get({ publicKey });
  });

/** @param {any} options */
const createCredential = (options) =>
  credential(() => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  });

const usePasskey = () => {
  const state = useRequest();
  /** @type {<T>(work: () => Promise<T>) => Promise<T | undefined>} */
  const run = (work) =>
    state.run(() => {
      const isSupported =
        typeof PublicKeyCredential !== "undefined" &&
        "parseRequestOptionsFromJSON" in PublicKeyCredential;
      if (!isSupported) throw new RequestError(UNSUPPORTED);
      return work();
    });
  return { ...state, run };
};

/**
 * @param {{
 *   state: ReturnType<typeof usePasskey>,
 *   onClick: (event: import("react").MouseEvent<HTMLButtonElement>) => void,
 *   className: string,
 *   children?: import("react").ReactNode,
 * }} props
 */
const PasskeyButton = ({ state, onClick, className, children }) => {
  const isHydrated = useHydrated();
  return (
    <div className="passkey">
      <button
        type="button"
        className={className}
        disabled={state.busy}
        aria-disabled={!isHydrated}
        onClick={onClick}
      >
        {children}
      </button>
      <Problem className="problem below">{state.problem}</Problem>
    </div>
  );
};

/**
 * Signs in with a discoverable passkey, without a user name.
 *
 * @param {{
 *   options: string,
 *   action: string,
 *   messages: Record<string, string>,
 *   children?: import("react").ReactNode,
 * }} props
 */
export const PasskeySignIn = ({ options, action, messages, children }) => {
  const state = usePasskey();

  /** @param {import("react").MouseEvent<HTMLButtonElement>} event */
  const start = ({ currentTarget }) => {
    const remember = currentTarget.form?.elements.namedItem("remember");
    const isRemembered = remember instanceof HTMLInputElement && remember.checked;
    return state.run(async () => {
      const { data } = await request(options);
      const fields = new URLSearchParams({
        credential: await getCredential(data),
        callbackUrl: localPath(callbackUrl()),
        ...(isRemembered && { remember: "1" }),
      });
      return signIn(action, fields, messages);
    });
  };

  return (
    <PasskeyButton state={state} className="button wide plain" onClick={start}>
      {children}
    </PasskeyButton>
  );
};

/**
 * Proves again who the signed-in user is (step-up).
 *
 * @param {{options: string, action: string, children?: import("react").ReactNode}} props
 */
export const PasskeyConfirm = ({ options, action, children }) => {
  const state = usePasskey();

  const start = () =>
    state.run(async () => {
      const asked = await accountRequest(options);
      const json = {
        credential: await getCredential(asked.data),
        callbackUrl: callbackUrl() ?? "",
      };
      const { data } = await request(action, { json });
      location.assign(data.url);
      return leaving();
    });

  return (
    <PasskeyButton state={state} className="button" onClick={start}>
      {children}
    </PasskeyButton>
  );
};

/**
 * A form that registers a passkey.
 *
 * @param {{
 *   options: string,
 *   action: string,
 *   onDone?: () => void,
 *   children?: import("react").ReactNode,
 * }} props
 */
export const PasskeyAdd = ({ options, action, onDone, children }) => {
  const state = usePasskey();
  const [isDone, setIsDone] = useState(false);

  /** @param {HTMLFormElement} form */
  const submit = (form) => {
    const name = new FormData(form).get("name"); // while its field is enabled
    setIsDone(false);
    return state.run(async () => {
      const asked = await accountRequest(options);
      const json = { credential: await createCredential(asked.data), name };
      await request(action, { json });
      form.reset();
      setIsDone(true);
      onDone?.();
    });
  };

  return (
    <ActionForm className="account-form" state={state} done={isDone ? ADDED : ""} onSubmit={submit}>
      {children}
    </ActionForm>
  );
};
