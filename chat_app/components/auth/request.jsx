// @ts-check
// HTTP requests of forms: one way to send, and one hook for their state. The session cookie is
// HttpOnly, so what signs in or changes an account is a request of its own.

import { useRef, useState } from "react";
import { reloadPage } from "./session.jsx";

/** Where a signed-in user proves again who they are, before a sensitive change (step-up). */
export const CONFIRM_PAGE = "/settings/confirm";

export const OFFLINE = "Can't reach the server. Check your connection and try again.";
const FAILED = "Something went wrong. Try again.";

/** A failure with a message for the user; an empty one shows nothing. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {string} code That of the response, or the `?error=` code of its URL; may be empty.
   */
  constructor(message, code = "") {
    super(message);
    this.code = code;
  }
}

/**
 * @typedef {{
 *   method?: string,
 *   json?: unknown,
 *   body?: BodyInit,
 *   headers?: Record<string, string>,
 * }} Options `json` is sent as JSON, `body` as it is.
 */

/**
 * Send a request with the session cookie.
 *
 * @param {string} url
 * @param {Options} [options] The method is POST by default.
 * @returns {Promise<{response: Response, data: any}>} `data` is the JSON of the response, or {}.
 */
const send = async (url, { method = "POST", json, body, headers } = {}) => {
  const type = json === undefined ? null : { "Content-Type": "application/json" };
  const response = await fetch(url, {
    method,
    credentials: "include",
    headers: { Accept: "application/json", ...type, ...headers },
    body: json === undefined ? body : JSON.stringify(json),
  });
  // an error is application/problem+json
  const isJson = /^application\/(problem\+)?json/.test(response.headers.get("content-type") ?? "");
  return { response, data: isJson ? await response.json() : {} };
};

/**
 * The page is being replaced: a form that waits for this stays busy until then.
 *
 * @returns {Promise<never>}
 */
export const leaving = () => new Promise(() => {});

/**
 * Send a request that needs no session.
 *
 * @param {string} url
 * @param {Options} [options]
 * @throws {RequestError} The server refused.
 */
export const request = async (url, options) => {
  const answered = await send(url, options);
  const { response, data } = answered;
  if (!response.ok) throw new RequestError(data.message || FAILED, data.code);
  return answered;
};

/**
 * Send a request of a signed-in user. When the session is over, or the route wants a step-up first,
 * the page is left and this never returns.
 *
 * @param {string} url
 * @param {Options & {missing?: string}} [options] `missing` is said where the thing is not there any more.
 * @throws {RequestError} The server refused.
 */
export const accountRequest = async (url, { missing, ...options } = {}) => {
  const { response, data } = await send(url, options);
  if (response.status === 401) {
    reloadPage();
    return leaving();
  }
  if (data.error === "step_up_required") {
    const here = encodeURIComponent(location.pathname + location.search);
    location.assign(`${CONFIRM_PAGE}?callbackUrl=${here}`);
    return leaving();
  }
  if (response.status === 404 && missing) throw new RequestError(missing);
  if (!response.ok) throw new RequestError(data.message || FAILED);
  return { response, data };
};

/**
 * Post fields to a route of Auth.js's protocol, whose response names the next page.
 *
 * @param {string} url
 * @param {URLSearchParams} fields
 * @param {Record<string, string>} messages What each `?error=` code means.
 * @returns {Promise<URL>}
 * @throws {RequestError} The next page is one with an error code, or there is none.
 */
export const authRequest = async (url, fields, messages) => {
  const headers = { "X-Auth-Return-Redirect": "1" };
  const { response, data } = await send(url, { body: fields, headers });
  if (typeof data.url !== "string") {
    throw new RequestError(data.message || messages.Default || FAILED);
  }
  const next = new URL(data.url, location.href);
  const code = next.searchParams.get("error");
  if (code) throw new RequestError(withWait(messageOf(messages, code), response), code);
  return next;
};

/**
 * A rate limit's message with the time to wait, which a code alone does not say.
 *
 * @param {string} message
 * @param {Response} response
 */
const withWait = (message, response) => {
  const seconds = Number(response.headers.get("Retry-After"));
  if (!seconds) return message;
  const [count, unit] = seconds <= 90 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return message.replace("later", `in ${count} ${unit}${count === 1 ? "" : "s"}`);
};

/**
 * The message of an error code. A code is looked up, so that no text of a URL is ever shown.
 *
 * @param {Record<string, string>} messages
 * @param {string} code
 */
export const messageOf = (messages, code) =>
  Object.hasOwn(messages, code) ? messages[code] : (messages.Default ?? FAILED);

/**
 * The fields of a form, for a URL-encoded body.
 *
 * @param {HTMLFormElement} form
 */
export const fieldsOf = (form) =>
  new URLSearchParams(/** @type {[string, string][]} */ ([...new FormData(form)]));

/**
 * A path of this site, as the browser will read it, or "/". The server checks it again.
 *
 * @param {string | null | undefined} wanted
 */
export const localPath = (wanted) => {
  if (!wanted?.startsWith("/") || !URL.canParse(wanted, location.origin)) return "/";
  const { origin, pathname, search } = new URL(wanted, location.origin);
  return origin === location.origin && !pathname.startsWith("//") ? pathname + search : "/";
};

/** The page to go to after a success, out of the URL. */
export const callbackUrl = () => new URLSearchParams(location.search).get("callbackUrl");

/**
 * State of a form whose requests run one at a time.
 *
 * @returns {{
 *   problem: string,
 *   busy: boolean,
 *   setProblem: (message: string) => void,
 *   reset: () => void,
 *   run: <T>(work: () => Promise<T>) => Promise<T | undefined>,
 * }} `run` does nothing while other work runs. A `RequestError` of the work becomes the problem;
 *   every other error means that there was no answer.
 */
export const useRequest = () => {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const running = useRef(false);

  const reset = () => {
    running.current = false;
    setBusy(false);
  };

  /** @type {<T>(work: () => Promise<T>) => Promise<T | undefined>} */
  const run = async (work) => {
    if (running.current) return undefined;
    running.current = true;
    setProblem("");
    setBusy(true);
    try {
      return await work();
    } catch (error) {
      setProblem(error instanceof RequestError ? error.message : OFFLINE);
      return undefined;
    } finally {
      reset();
    }
  };

  return { problem, busy, setProblem, reset, run };
};

/** @typedef {ReturnType<typeof useRequest>} RequestState */
