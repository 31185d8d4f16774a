// The JavaScript clients of MCP, of both eras, which call the server and print what they got.
//
// The last line of stdout is the results. A line "revoke" before it asks the test to end the key.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as EarlierClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as EarlierTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { url, key, slow } = JSON.parse(process.argv[2]);
const INFO = { name: "tests", version: "1" };

async function connect(era, token) {
  const options = { requestInit: { headers: { authorization: `Bearer ${token}` } } };
  if (era === "earlier") {
    const client = new EarlierClient(INFO);
    await client.connect(new EarlierTransport(new URL(`${url}/mcp`), options));
    return client;
  }
  const client = new Client(INFO, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), options));
  return client;
}

/** Call a tool; its result, and what was shown on the way. */
async function call(client, era, name, given, more = {}) {
  let shown = "";
  const onprogress = ({ message }) => {
    shown += message ?? "";
    more.shown?.(shown);
  };
  const options = { onprogress, signal: more.signal, timeout: 60_000 };
  const params = { name, arguments: given };
  const result =
    era === "earlier"
      ? await client.callTool(params, undefined, options)
      : await client.callTool(params, options);
  return { result, shown };
}

async function failed(work) {
  try {
    await work();
  } catch (error) {
    return String(error.message);
  }
  return "no error";
}

const results = {};
const ends = [];
for (const era of ["earlier", "now"]) {
  const client = await connect(era, key);
  const { tools } = await client.listTools(); // from now on, results are checked with the schemas
  const asked = { question: "echo: The otter eats.", model: "fake:9x0" };
  const { result, shown } = await call(client, era, "ask", asked);
  const answer = result.structuredContent;
  const read = await call(client, era, "read_thread", { thread_id: answer.thread_id });
  const found = await call(client, era, "search_threads", { query: "otter" });
  const missing = await call(client, era, "read_thread", { thread_id: "x" });
  const leaving = new AbortController();
  const left = { signal: leaving.signal, shown: () => leaving.abort() };
  results[era] = {
    tools: tools.map((tool) => tool.name),
    answer: answer.answer,
    thread: answer.thread_id,
    shown,
    read: read.result.structuredContent.messages.map((message) => message.text),
    found: found.result.structuredContent.hits.length,
    missing: [missing.result.isError, missing.result.content[0].text],
    left:
      (await failed(() =>
        call(client, era, "ask", { question: "hi", model: "fake:9x9" }, left),
      )) !== "no error",
    wrongKey: await failed(() => connect(era, "wrong")),
  };
  let begin;
  const begun = new Promise((resolve) => {
    begin = resolve;
  });
  const slowly = { question: "hi", model: slow };
  ends.push(
    failed(() => call(client, era, "ask", slowly, { shown: begin })).then((said) => {
      results[era].revoked = said;
    }),
  );
  await begun;
}
console.log("revoke");
await Promise.all(ends);
console.log(JSON.stringify(results));
process.exit();
