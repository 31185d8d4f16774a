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

/** Whether the browser has a network at all. It knows at once; a socket, after a minute or two. */
const useNetwork = () =>
  useSyncExternalStore(
    watchNetwork,
    () => navigator.onLine,
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
