// @ts-check
// Whether the server can be reached, and the bar that says when it cannot.

import { useSyncExternalStore } from "react";

/** @param {() => void} changed */
const watchNetwork = (changed) => {
  addEventListener("online", changed);
  addEventListener("offline", changed);
  return () => {
    removeEventListener("online", changed);
    removeEventListener("offline", changed);
  };
};

/**
 * Whether a server is on the browser's own machine, which is reached without a network.
 *
 * @param {string} hostname As in `location.hostname`.
 */
export const isLoopback = (hostname) =>
  /(?:^|\.)localhost\.?$|^127(?:\.\d{1,3}){3}$|^\[::1\]$/i.test(hostname);

/** Whether there is a way to the server. A browser knows at once; a socket, after a minute or two. */
const useNetwork = () =>
  useSyncExternalStore(
    watchNetwork,
    () => navigator.onLine || isLoopback(location.hostname),
    () => true,
  );

/**
 * Whether nothing reaches the server now.
 *
 * @param {boolean} isDisconnected Whether the socket is known to be disconnected.
 */
export const useOffline = (isDisconnected) => !useNetwork() || isDisconnected;

/**
 * Says that the server can't be reached.
 *
 * @param {{isDisconnected?: boolean, children?: import("react").ReactNode}} props `children` is an
 *   icon.
 */
export const OfflineBar = ({ isDisconnected = false, children }) => {
  const hasNetwork = useNetwork();
  const isOffline = useOffline(isDisconnected);
  return (
    <div role="status">
      {isOffline && (
        <p className="offline">
          {children}
          {hasNetwork ? "Connection lost. Reconnecting…" : "You're offline."}
        </p>
      )}
    </div>
  );
};
