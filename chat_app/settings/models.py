"""Which models answer, and how much of a conversation they see and say."""

from typing import Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from chat_app.settings.types import CommaList
from chat_app.settings.urls import api_base_url, host_of


class ProviderSettings(BaseModel):
    """One OpenAI-compatible server.

    Args:
        name: A short name; models are listed as `name/model`.
        base_url: Where its API begins, for example `http://localhost:11434/v1`.
        api_key: Its key, if it wants one.
        models: The models to offer.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    base_url: str
    api_key: SecretStr = SecretStr("")
    models: tuple[str, ...] = Field(min_length=1)

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return api_base_url(value)


class ModelSettings(BaseSettings):
    """Models."""

    openai_base_url: str = Field(
        "", description="An OpenAI-compatible server; empty means OpenAI's own."
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Its key.")
    chat_models: CommaList = Field(
        (), description="The models of that server to offer, comma separated; the first is default."
    )
    chat_providers: tuple[ProviderSettings, ...] = Field(
        (),
        description='More servers, as JSON: [{"name":"ollama","base_url":"http://localhost:11434/v1",'
        '"models":["llama3.2"]}]',
    )
    chat_model: str = Field("", description="The default model; empty means the first listed.")
    embedded_model: bool = Field(
        True, description="Offer the small model that runs on this machine, when it is installed."
    )
    fake_models: bool = Field(
        False, description="Offer the deterministic models made for tests and benchmarks."
    )
    chat_system_prompt: str = Field(
        "You are a helpful assistant.", description="Said to the model before every conversation."
    )
    chat_titles: bool = Field(True, description="Let the model name new threads.")
    chat_context_chars: int = Field(
        24_000, ge=1_000, description="The most characters of history shown to a model."
    )
    chat_max_tokens: int = Field(2_048, ge=16, description="The longest answer, in tokens.")
    chat_first_token_seconds: float = Field(
        60, gt=0, description="How long a model may take to begin."
    )
    chat_idle_seconds: float = Field(30, gt=0, description="How long it may pause in mid-answer.")
    message_bytes: int = Field(100_000, ge=1_000, description="The longest message, in bytes.")
    runs_per_user: int = Field(4, ge=1, description="Answers one person may have running.")
    deleted_days: int = Field(30, ge=1, description="Days a deleted chat is kept.")

    @field_validator("openai_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return api_base_url(value) if value else value

    @model_validator(mode="after")
    def _names_its_models(self) -> Self:
        if host_of(self.openai_base_url) not in ("", "api.openai.com") and not self.chat_models:
            raise ValueError("CHAT_MODELS must name the models of OPENAI_BASE_URL")
        return self
