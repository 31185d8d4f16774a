"""Models of the strict fake providers, asked as the program asks: it learns from refusals."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chat_app.llm import profiles
from chat_app.llm.base import CallOptions, PromptMessage
from chat_app.llm.dialects import anthropic_messages, chat_completions, responses
from chat_app.llm.profiles import ModelProfile
from testing.providers.rules import Refused, Request
from testing.providers.strict import SERVERS, Server, verify


@dataclass(frozen=True, slots=True)
class Program:
    """The code that makes requests.

    Args:
        dialects: The module with `project` for each dialect.
        profiles: The module with what is learnt from refusals.
    """

    dialects: dict[str, Any]
    profiles: Any


PROGRAM = Program(
    {
        "chat-completions": chat_completions,
        "responses": responses,
        "anthropic": anthropic_messages,
    },
    profiles,
)
"""The code as it is."""
MAX_RETRIES = 6
"""How many refusals of one request the program learns from."""


@dataclass
class Target:
    """A model of a strict server, and what the program has learnt of it.

    Attributes:
        profile: What the server accepts, as far as it has said so.
        retries: How often each rule was learnt from.
    """

    server: Server
    profile: ModelProfile
    program: Program = PROGRAM
    retries: Counter[str] = field(default_factory=Counter)

    @property
    def made_by(self) -> str:
        """The provider and the model, as native items name them."""
        return f"{self.server.name}/{self.server.model}"

    def accepted(self, prompt: Sequence[PromptMessage], options: CallOptions) -> Request:
        """The request that the server accepts, after the changes for its refusals.

        Raises:
            Refused: The server refuses it for a reason that nothing is learnt from.
        """
        profile = self.profile
        for attempt in range(MAX_RETRIES + 1):
            request = self._request(prompt, options, profile)
            try:
                verify(self.server, request)
            except Refused as refused:
                body = json.dumps(self.server.error(refused))
                change = self.program.profiles.change_for_refusal(
                    profile, refused.status, body, request
                )
                if change is None or attempt == MAX_RETRIES:
                    raise
                profile = change.apply(profile)
                if change.is_lasting:
                    self.profile = change.apply(self.profile)
                self.retries[refused.rule.name] += 1
            else:
                return request
        raise AssertionError

    def _request(
        self, prompt: Sequence[PromptMessage], options: CallOptions, profile: ModelProfile
    ) -> Request:
        project = self.program.dialects[self.server.dialect].project
        return project(prompt, options, self.server.model, profile, self.made_by)


def targets(program: Program = PROGRAM) -> list[Target]:
    """Every strict server, of which nothing is known but the name of its model."""
    first_profile = program.profiles.first_profile
    return [Target(server, first_profile(server.model), program) for server in SERVERS.values()]
