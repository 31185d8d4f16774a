// Agents of AG-UI's own client, told what to do by lines of JSON on stdin.
//
// A line is {id, do, …}; its answer on stdout is {id, value} or {id, error}. Commands run beside
// each other, so that a test can watch an agent while it streams. What the client warns of is an
// error here: it repairs or drops what it is sent.

import * as now from "ag-ui";
import * as before from "ag-ui-before";

const VERSIONS = { now, before };
const warnings = [];
for (const level of ["log", "warn", "error"]) {
  console[level] = (...said) => warnings.push(said.map(String).join(" "));
}

/** An agent whose `connectAgent` follows a run: the client leaves the request to its users. */
const agentOf = ({ HttpAgent }) =>
  class extends HttpAgent {
    connect(input) {
      return this.run(input);
    }
  };

/** An agent, with what it was told, and a way to wait for it. */
function open({ version, ...options }) {
  const agent = new (agentOf(VERSIONS[version]))(options);
  const told = { custom: [], end: undefined };
  const watchers = new Set();
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  agent.subscribe({
    onEvent: notify,
    onMessagesChanged: notify,
    onCustomEvent: ({ event }) => void told.custom.push([event.name, event.value]),
    onRunStartedEvent: ({ event }) => {
      Object.assign(told, { custom: [], end: undefined, started: event });
    },
    onRunFinishedEvent: ({ event }) => void Object.assign(told, { end: event }),
    onRunErrorEvent: ({ event }) => void Object.assign(told, { end: event }),
  });
  const seen = (text) =>
    new Promise((resolve) => {
      const look = () => {
        if (!JSON.stringify(agent.messages).includes(text)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  return { agent, told, seen };
}

const view = ({ agent, told }) => ({ messages: agent.messages, ...told });

/** What a new agent makes of the body of a response. */
async function read(version, body) {
  const headers = { "content-type": "text/event-stream" };
  const opened = open({
    version,
    url: "http://chat.example/api/ag-ui",
    fetch: async () => new Response(body, { headers }),
  });
  await opened.agent.runAgent();
  return view(opened);
}

const agents = new Map();

const COMMANDS = {
  open: ({ chat, options }) => void agents.set(chat, open(options)),
  run: async ({ chat, message, model }) => {
    const opened = agents.get(chat);
    if (message) opened.agent.addMessage({ role: "user", ...message });
    await opened.agent.runAgent(model ? { forwardedProps: { model } } : {});
    return view(opened);
  },
  connect: async ({ chat }) => {
    await agents.get(chat).agent.connectAgent();
    return view(agents.get(chat));
  },
  disconnect: async ({ chat }) => void agents.get(chat).agent.abortRun(),
  seen: async ({ chat, text }) => {
    await agents.get(chat).seen(text);
    return view(agents.get(chat));
  },
  read: async ({ version, bodies }) => {
    const views = [];
    for (const body of bodies) views.push(await read(version, body));
    return views;
  },
  warnings: () => warnings.splice(0),
};

async function answer(line) {
  const { id, do: command, ...given } = JSON.parse(line);
  try {
    return { id, value: await COMMANDS[command](given) };
  } catch (error) {
    return { id, error: String(error?.stack ?? error) };
  }
}

const decoder = new TextDecoder();
let rest = "";
for await (const bytes of Bun.stdin.stream()) {
  const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    answer(line).then((said) => process.stdout.write(`${JSON.stringify(said)}\n`));
  }
}
