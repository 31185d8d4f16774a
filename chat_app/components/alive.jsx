// Whether the page's script is at work. A button that needs it says so until then: what is pressed
// before would be lost without a word.
import { useEffect, useState } from "react";

export const useAlive = () => {
  const [isAlive, setIsAlive] = useState(false);
  useEffect(() => setIsAlive(true), []);
  return isAlive;
};
