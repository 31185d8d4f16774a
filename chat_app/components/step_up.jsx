import { useEffect, useState } from "react";
import { localPath } from "./session.jsx";

// The page that somebody was sent here from, as a field of a form.
export const BackAddress = () => {
  const [back, setBack] = useState("");
  useEffect(() => setBack(localPath(new URLSearchParams(location.search).get("callbackUrl"))), []);
  return <input type="hidden" name="callbackUrl" value={back} />;
};
