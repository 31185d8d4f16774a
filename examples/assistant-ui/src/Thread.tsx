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
import { call } from "./api";

/** The open thread and its composer. */
export function Thread() {
  return (
    <ThreadPrimitive.Root className="chat">
      <ThreadPrimitive.Viewport className="messages">
        <ThreadPrimitive.Empty>
          <h1>What can I help with?</h1>
        </ThreadPrimitive.Empty>
        <ThreadPrimitive.Messages>{() => <Message />}</ThreadPrimitive.Messages>
      </ThreadPrimitive.Viewport>
      <ComposerPrimitive.Root className="composer">
        <ComposerPrimitive.Input placeholder="Message" aria-label="Message" autoFocus />
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

function Message() {
  const role = useAuiState((state) => state.message.role);
  return (
    <MessagePrimitive.Root className="message" data-role={role}>
      <MessagePrimitive.Parts components={{ Text, Reasoning }} />
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert">
          <ErrorPrimitive.Message />
        </ErrorPrimitive.Root>
      </MessagePrimitive.Error>
      {role === "assistant" && (
        <ActionBarPrimitive.Root hideWhenRunning className="actions">
          <BranchPickerPrimitive.Root hideWhenSingleBranch>
            <BranchPickerPrimitive.Previous aria-label="Previous">‹</BranchPickerPrimitive.Previous>
            <BranchPickerPrimitive.Number />/<BranchPickerPrimitive.Count />
            <BranchPickerPrimitive.Next aria-label="Next">›</BranchPickerPrimitive.Next>
          </BranchPickerPrimitive.Root>
          <ActionBarPrimitive.Reload>Regenerate</ActionBarPrimitive.Reload>
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
    if (remoteId) void call("POST", `/api/chat/${encodeURIComponent(remoteId)}/stop`);
  };
  return (
    <button type="button" onClick={stop}>
      Stop
    </button>
  );
}
