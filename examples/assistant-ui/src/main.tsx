import { SessionProvider } from "next-auth/react";
import { createRoot } from "react-dom/client";
import { API } from "./api";
import { ReloadOnAuth } from "./ReloadOnAuth";
import "./style.css";

createRoot(document.getElementById("root") as HTMLElement).render(
  <SessionProvider basePath={`${API}/api/auth`}>
    <ReloadOnAuth />
  </SessionProvider>,
);
