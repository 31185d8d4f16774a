"""Which models there are, in the order people see them."""

from chat_app.core.errors import InvalidInput
from chat_app.llm.base import Model, ProviderError
from chat_app.llm.embedded import EmbeddedModel, find_model_file
from chat_app.llm.fake import FakeModel, Fault
from chat_app.llm.openai_compatible import Endpoint, ModelTimeouts, OpenAIModel
from chat_app.settings import ConfigError, Settings

_OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_MODEL = "gpt-5.4-mini"

MOST_ASKED_FOR = 100
"""How many unlisted fake models are remembered; anybody can name a million."""


class Models:
    """The models of this process.

    Args:
        settings: What the operator decided.

    Raises:
        ConfigError: `CHAT_MODEL` names a model that is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._patience = ModelTimeouts(
            settings.chat_first_token_seconds, settings.chat_idle_seconds
        )
        self._endpoints: list[Endpoint] = []
        self._embedded: EmbeddedModel | None = None
        self._listed: dict[str, Model] = {}
        self._asked_for: dict[str, FakeModel] = {}
        self._add_openai()
        self._add_providers()
        self._add_embedded()
        self._add_fakes()
        if settings.chat_model and self._find(settings.chat_model) is None:
            raise ConfigError(f"CHAT_MODEL: there is no model {settings.chat_model!r}")

    def all(self) -> tuple[Model, ...]:
        """Every model a person can choose."""
        return tuple(self._listed.values())

    def default(self) -> Model:
        """The model that answers when nobody chose one.

        Raises:
            ProviderError: There is no model at all.
        """
        if self._settings.chat_model:
            return self.get(self._settings.chat_model)
        for model in self._listed.values():
            return model
        raise ProviderError("unreachable", "no_model")

    def get(self, model_id: str) -> Model:
        """The model with this id; also a fake one that is not listed, such as `fake:600x20`.

        Raises:
            InvalidInput: There is none.
        """
        model = self._find(model_id)
        if model is None:
            raise InvalidInput("There is no such model. Choose another one.")
        return model

    async def close(self) -> None:
        """Close every connection and end the embedded model."""
        if self._embedded is not None:
            await self._embedded.close()
        for endpoint in self._endpoints:
            await endpoint.close()

    def _find(self, model_id: str) -> Model | None:
        known = self._listed.get(model_id) or self._asked_for.get(model_id)
        if known is not None or not self._settings.fake_models:
            return known
        fake = FakeModel.from_id(model_id, idle_seconds=self._patience.idle)
        if fake is not None:
            if len(self._asked_for) >= MOST_ASKED_FOR:
                del self._asked_for[next(iter(self._asked_for))]
            self._asked_for[model_id] = fake
        return fake

    def _add(self, model: Model) -> None:
        self._listed.setdefault(model.id, model)

    def _add_openai(self) -> None:
        settings = self._settings
        key = settings.openai_api_key.get_secret_value()
        if not key and not settings.openai_base_url:
            return
        endpoint = self._endpoint(settings.openai_base_url or _OPENAI_URL, key)
        for model in settings.chat_models or (_OPENAI_MODEL,):
            self._add(OpenAIModel(endpoint, model, self._patience))

    def _add_providers(self) -> None:
        for provider in self._settings.chat_providers:
            endpoint = self._endpoint(provider.base_url, provider.api_key.get_secret_value())
            for model in provider.models:
                self._add(
                    OpenAIModel(
                        endpoint,
                        model,
                        self._patience,
                        model_id=f"{provider.name}/{model}",
                        name=f"{model} ({provider.name})",
                    )
                )

    def _endpoint(self, base_url: str, key: str) -> Endpoint:
        endpoint = Endpoint(base_url, key)
        self._endpoints.append(endpoint)
        return endpoint

    def _add_embedded(self) -> None:
        path = find_model_file() if self._settings.embedded_model else None
        if path is not None:
            self._embedded = EmbeddedModel(path, self._patience)
            self._add(self._embedded)

    def _add_fakes(self) -> None:
        if not self._settings.fake_models:
            return
        for fault in Fault:
            model_id = f"fake:{fault}" if fault else "fake"
            self._add(FakeModel(fault, idle_seconds=self._patience.idle, model_id=model_id))
