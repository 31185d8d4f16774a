import {
  ActionBarPrimitive,
  BranchPickerPrimitive,
  ComposerPrimitive,
  ErrorPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
  useAui,
  useAuiState,
} from "@assistant-ui/react";
import { useAISDKChat } from "@assistant-ui/react-ai-sdk";
import { useEffect } from "react";
import { call } from "./api";
import { reported, show } from "./Notice";
import { RefusedQuestion } from "./transport";

/** The open thread and its composer. */
export function Thread() {
  useRefusedQuestion();
  return (
    <ThreadPrimitive.Root className="chat">
      <ThreadPrimitive.Viewport className="messages">
        <ThreadPrimitive.Empty>
          <Beginning />
        </ThreadPrimitive.Empty>
        <ThreadPrimitive.Messages>{() => <Message />}</ThreadPrimitive.Messages>
      </ThreadPrimitive.Viewport>
      <ComposerPrimitive.Root className="composer">
        <ComposerPrimitive.Input placeholder="Message" aria-label="Message" maxRows={8} autoFocus />
        <ThreadPrimitive.If running={false}>
          <ComposerPrimitive.Send className="primary">Send</ComposerPrimitive.Send>
        </ThreadPrimitive.If>
        <ThreadPrimitive.If running>
          <Stop />
        </ThreadPrimitive.If>
      </ComposerPrimitive.Root>
    </ThreadPrimitive.Root>
  );
}

/** Gives back a question that the server did not take: into the composer, with the reason. */
function useRefusedQuestion() {
  const aui = useAui();
  const chat = useAISDKChat();
  useEffect(() => {
    if (!(chat?.error instanceof RefusedQuestion)) return;
    const text = chat.messages.at(-1)?.parts.map((part) => (part.type === "text" ? part.text : ""));
    const typed = aui.composer.getState().text;
    show(chat.error.message);
    chat.clearError();
    chat.setMessages((messages) => messages.slice(0, -1));
    aui.composer.setText([text?.join(""), typed].filter(Boolean).join("\n"));
  }, [aui, chat]);
}

/** A new chat; or why the one in the address is not here. */
function Beginning() {
  const error = useAuiState((state) => state.threads.switchError?.error);
  if (!error) return <h2>What can I help with?</h2>;
  const { code, message } = error as { code?: string; message: string };
  return (
    <p role="alert">
      {code === "not_found" ? "This chat was not found. What you send begins a new one." : message}
    </p>
  );
}

function Message() {
  const role = useAuiState((state) => state.message.role);
  const error = useAuiState(({ message: { status } }) =>
    status?.type === "incomplete" && status.reason === "error" ? status.error : undefined,
  ) as { code: string } | undefined;
  return (
    <MessagePrimitive.Root
      className="message"
      data-role={role}
      role="article"
      aria-label={role === "user" ? "You" : "Answer"}
    >
      <MessagePrimitive.Parts components={{ Text, Reasoning }} />
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert">
          <ErrorPrimitive.Message>
            {error?.code === "TypeError" ? "Connection lost. Reconnecting…" : undefined}
          </ErrorPrimitive.Message>
        </ErrorPrimitive.Root>
      </MessagePrimitive.Error>
      {role === "assistant" && (
        <ActionBarPrimitive.Root hideWhenRunning className="actions">
          <BranchPickerPrimitive.Root hideWhenSingleBranch>
            <BranchPickerPrimitive.Previous aria-label="Previous">‹</BranchPickerPrimitive.Previous>
            <BranchPickerPrimitive.Number />/<BranchPickerPrimitive.Count />
            <BranchPickerPrimitive.Next aria-label="Next">›</BranchPickerPrimitive.Next>
          </BranchPickerPrimitive.Root>
          <ActionBarPrimitive.Reload>{error ? "Retry" : "Regenerate"}</ActionBarPrimitive.Reload>
        </ActionBarPrimitive.Root>
      )}
    </MessagePrimitive.Root>
  );
}

const Text = ({ text }: { text: string }) => <p>{text}</p>;

const Reasoning = ({ text }: { text: string }) => (
  <details>
    <summary>Reasoning</summary>
    {text}
  </details>
);

/** Stops the answer on the server, which then ends the stream. To leave the stream alone would
 * change nothing: the answer is written to its end. */
function Stop() {
  const aui = useAui();
  const stop = () => {
    const { remoteId } = aui.threadListItem.getState();
    if (!remoteId) return;
    const path = `/api/chat/${encodeURIComponent(remoteId)}/stop`;
    reported(call("POST", path)).catch(() => {});
  };
  return (
    <button type="button" onClick={stop}>
      Stop
    </button>
  );
}
