import { defineConfig } from "vite";

// Empty: the server that answers /api serves this page too. Else its origin, on the same site.
process.env.VITE_API_URL ??= "";

// next-auth's client reads variables that Next.js would have replaced.
const names = ["NEXTAUTH_URL", "NEXTAUTH_URL_INTERNAL", "VERCEL_URL"];
const define = Object.fromEntries(names.map((name) => [`process.env.${name}`, "undefined"]));

const server = `http://localhost:${process.env.PORT ?? 3000}`;

export default defineConfig({
  base: "./", // one build works under any path
  define,
  // "use client" means something to a server that renders; here is none.
  build: { rolldownOptions: { checks: { moduleLevelDirective: false } } },
  server: { port: 5173, strictPort: true, proxy: { "/api": server } },
});
