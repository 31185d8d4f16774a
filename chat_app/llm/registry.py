"""The model registry: every model of this process, in the order of the model menu."""

from dataclasses import replace
from itertools import chain

from chat_app.core.errors import InvalidInput
from chat_app.llm.base import Model, ModelInfo, ModelTimeouts, ProviderError
from chat_app.llm.catalog import guess_info
from chat_app.llm.dialects.anthropic_messages import VERSION
from chat_app.llm.embedded import EmbeddedModel, find_model_file
from chat_app.llm.endpoint import Endpoint
from chat_app.llm.fake import Ending, FakeModel
from chat_app.llm.health import HealthMonitor
from chat_app.llm.prices import Prices
from chat_app.llm.provider import ProviderModel
from chat_app.settings import ConfigError, Settings
from chat_app.settings.models import OfferedModel, ProviderKind
from chat_app.settings.validation import host_of

_OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_MODEL = "gpt-5.4-mini"
_AZURE_HOSTS = tuple(
    f".{service}.azure.{country}"
    for service in ("openai", "cognitiveservices", "services.ai")
    for country in ("com", "us", "cn")
)

ANY_MODEL = "*"
"""Stands in `CHAT_FALLBACKS` for every model without an entry."""
MAX_UNLISTED = 100
"""How many unlisted fake models are kept; a client can name a million."""


class UnknownModel(InvalidInput):
    """There is no such model, or the user may not call it: the two look the same.

    Args:
        model_id: What was asked for.
    """

    def __init__(self, model_id: str) -> None:
        super().__init__(f"There is no model {model_id[:100]}. Choose another one.")


class Models:
    """The models of this process.

    Args:
        settings: The providers, their keys and the timeouts.

    Attributes:
        health: How the last calls of each model went.
        prices: What each model costs.

    Raises:
        ConfigError: `CHAT_MODEL` or `CHAT_FALLBACKS` names a model that does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.health = HealthMonitor()
        self.prices = Prices(settings.chat_prices)
        self._timeouts = ModelTimeouts(
            settings.chat_first_token_seconds, settings.chat_idle_seconds
        )
        self._endpoints: list[Endpoint] = []
        self._embedded: EmbeddedModel | None = None
        self._listed: dict[str, Model] = {}
        self._unlisted: dict[str, FakeModel] = {}
        self._add_openai()
        self._add_providers()
        self._add_agents()
        self._add_embedded()
        self._add_fakes()
        self._add_named()

    def all(self) -> tuple[Model, ...]:
        """Every model a user can choose."""
        return tuple(self._listed.values())

    def default(self) -> Model:
        """The model that answers if the user chose none.

        Raises:
            ProviderError: There is no model at all.
        """
        if self._settings.chat_model:
            return self.get(self._settings.chat_model)
        for model in self._listed.values():
            return model
        raise ProviderError("unreachable", "no_model")

    def get(self, model_id: str) -> Model:
        """The model with this id; also an unlisted fake one, such as `fake:600x20`.

        Raises:
            UnknownModel: There is no such model.
        """
        model = self._find(model_id)
        if model is None:
            raise UnknownModel(model_id)
        return model

    def name_of(self, model_id: str) -> str:
        """The display name of a model; its id if it is no longer offered."""
        model = self._find(model_id)
        return model_id if model is None else model.name

    async def context_window(self, model: Model) -> int | None:
        """How many tokens a model takes: its own word, or the table of prices; None if unknown."""
        if model.info.window is None:
            await self.prices.look_up([model.id])
        return self.known_window(model)

    def known_window(self, model: Model) -> int | None:
        """`context_window`, as far as the table was read."""
        return model.info.window or self.prices.known(model.id)[1]

    def fallbacks_of(self, model_id: str) -> tuple[Model, ...]:
        """The models that answer in the place of one that fails, in this order."""
        fallbacks = self._settings.chat_fallbacks
        others = fallbacks.get(model_id, fallbacks.get(ANY_MODEL, ()))
        return tuple(self.get(other) for other in others if other != model_id)

    async def close(self) -> None:
        """Close every connection and stop the embedded model."""
        if self._embedded is not None:
            await self._embedded.close()
        for endpoint in self._endpoints:
            await endpoint.close()

    def _find(self, model_id: str) -> Model | None:
        model = self._listed.get(model_id) or self._unlisted.get(model_id)
        if model is not None or not self._settings.fake_models:
            return model
        fake = FakeModel.from_id(model_id, idle_seconds=self._timeouts.idle)
        if fake is not None:
            if len(self._unlisted) >= MAX_UNLISTED:
                del self._unlisted[next(iter(self._unlisted))]
            self._unlisted[model_id] = fake
        return fake

    def _add(self, model: Model) -> None:
        self._listed.setdefault(model.id, model)

    def _add_openai(self) -> None:
        settings = self._settings
        key = settings.openai_api_key.get_secret_value()
        if not key and not settings.openai_base_url:
            return
        base_url = settings.openai_base_url or _OPENAI_URL
        endpoint = self._endpoint(base_url, key)
        for model in settings.chat_models or (_OPENAI_MODEL,):
            self._add(
                ProviderModel(
                    endpoint,
                    model,
                    self._timeouts,
                    info=guess_info(model),
                    dialect=settings.openai_kind,
                )
            )
            self.prices.add(model, base_url, model)

    def _add_providers(self) -> None:
        for provider in self._settings.chat_providers:
            endpoint = self._endpoint(
                provider.base_url, provider.api_key.get_secret_value(), provider.kind
            )
            for model in provider.models:
                model_id = f"{provider.name}/{model.id}"
                self.prices.add(model_id, provider.base_url, model.id)
                self._add(
                    ProviderModel(
                        endpoint,
                        model.id,
                        self._timeouts,
                        model_id=model_id,
                        name=model.name or f"{model.id} ({provider.name})",
                        info=_info_of(model),
                        dialect=provider.kind,
                    )
                )

    def _add_agents(self) -> None:
        settings = self._settings
        if not settings.ag_ui_agents:
            return
        # its package adds a tenth of a second to each start
        from chat_app.llm.ag_ui import agent_model

        for name, url in settings.ag_ui_agents.items():
            given = settings.ag_ui_headers.get(name, {})
            headers = {header.lower(): value.get_secret_value() for header, value in given.items()}
            model, endpoint = agent_model(name, url, headers, self._timeouts)
            self._endpoints.append(endpoint)
            self._add(model)

    def _add_named(self) -> None:
        """List the models that settings name, also a fake one; such a default is the first.

        Raises:
            ConfigError: There is no such model.
        """
        fallbacks = self._settings.chat_fallbacks
        name = self._settings.chat_model
        if name and name not in self._listed:
            self._listed = {name: self._named("CHAT_MODEL", name), **self._listed}
        for name in chain((one for one in fallbacks if one != ANY_MODEL), *fallbacks.values()):
            self._add(self._named("CHAT_FALLBACKS", name))

    def _named(self, setting: str, model_id: str) -> Model:
        model = self._find(model_id)
        if model is None:
            raise ConfigError(f"{setting}: there is no model {model_id!r}")
        return model

    def _endpoint(
        self, base_url: str, key: str, kind: ProviderKind = "chat-completions"
    ) -> Endpoint:
        headers: dict[str, str] = {"anthropic-version": VERSION} if kind == "anthropic" else {}
        header = key_header(base_url, kind)
        if key and header:
            headers[header] = key
        endpoint = Endpoint(base_url, "" if header else key, headers)
        self._endpoints.append(endpoint)
        return endpoint

    def _add_embedded(self) -> None:
        path = find_model_file() if self._settings.embedded_model else None
        if path is not None:
            self._embedded = EmbeddedModel(path, self._timeouts)
            self._add(self._embedded)

    def _add_fakes(self) -> None:
        if not self._settings.fake_models:
            return
        for model_id in ("fake", "fake:think", *(f"fake:{ending}" for ending in Ending if ending)):
            fake = FakeModel.from_id(model_id, idle_seconds=self._timeouts.idle)
            assert fake is not None
            self._add(fake)


def key_header(base_url: str, kind: ProviderKind) -> str:
    """The header that has the API key as it is; empty for a bearer token in `authorization`.

    In that Azure wants a token of Entra ID, and refuses keys in its older versions
    (learn.microsoft.com/azure/ai-services/openai/reference#authentication).

    Args:
        base_url: The URL of the provider's API.
        kind: That API.
    """
    if kind == "anthropic":
        return "x-api-key"
    is_azure = "?api-version=" in base_url or host_of(base_url).endswith(_AZURE_HOSTS)
    return "api-key" if is_azure else ""


def _info_of(model: OfferedModel) -> ModelInfo:
    """What a model can do: what the operator says, else what is guessed."""
    said = model.model_dump(exclude={"id", "name"}, exclude_none=True)
    return replace(guess_info(model.id), **said)
