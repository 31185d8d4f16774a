"""What a provider's error means, in whose words ever it is said, and how long a wait is."""

from datetime import UTC, datetime

import pytest

from chat_app.core.errors import message_of
from chat_app.llm.errors import (
    ContextTooLong,
    ErrorDetails,
    Failure,
    failure_in_stream,
    failure_of_status,
    parse_retry_after,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def bad_request(message: str, **more: object) -> object:
    return {"message": message, "type": "BadRequestError", "param": None, "code": 400, **more}


CONTEXT = {
    "vLLM": bad_request(
        "This model's maximum context length is 2048 tokens. However, you requested 2060 tokens "
        "(12 in the messages, 2048 in the completion). Please reduce the length of the messages.",
        object="error",
    ),
    "vLLM, newer": bad_request(
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096."
    ),
    "OpenRouter": bad_request(
        "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000."
    ),
    "OpenRouter, raw": {
        "message": "Provider returned error",
        "code": 400,
        "metadata": {"raw": '{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}'},
    },
    "LiteLLM": bad_request(
        "litellm.ContextWindowExceededError: prompt is too long: 210000 tokens > 200000 maximum"
    ),
    "LM Studio": "Trying to keep the first 4200 tokens when context the overflows. However, the "
    "model is loaded with context length of only 4096 tokens",
    "LM Studio, newer": "The number of tokens to keep from the initial prompt is greater than the "
    "context length.",
    "LM Studio, MLX": "Context size has been exceeded.",
    "llama.cpp": bad_request(
        "the request exceeds the available context size. try increasing the context size or enable "
        "context shift"
    ),
    "llama.cpp, newer": {"code": 400, "message": "x", "type": "exceed_context_size_error"},
    "llama-cpp-python": "Requested tokens (2285) exceed context window of 2048",
    "OpenAI": {"code": "context_length_exceeded", "message": "x"},
    "OpenAI, newer": bad_request("Your input exceeds the context window of this model."),
    "Anthropic": bad_request("prompt is too long: 207791 tokens > 200000 maximum"),
    "Anthropic, limit": bad_request(
        "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input"
    ),
    "Anthropic, size": {"type": "request_too_large", "message": "x"},
    "Gemini": [
        {
            "error": bad_request(
                "The input token count (1200293) exceeds the maximum number of tokens allowed (1).",
                status="INVALID_ARGUMENT",
            )
        }
    ],
    "Vertex AI": bad_request(
        "The input token count is 40000 but the model only supports up to 32768."
    ),
    "SGLang": bad_request(
        "The input (5000 tokens) is longer than the model's context length (4096 tokens)."
    ),
    "Ollama": "the input length exceeds the context length",
    "Ollama, newer": "prompt too long; exceeded max context length by 812 tokens",
    "TGI": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
    "TGI, input": "Input validation error: `inputs` must have less than 1024 tokens. Given: 5000",
    "Bedrock": {"message": "Input is too long for requested model."},
    "xAI": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Groq": bad_request("Please reduce the length of the messages or completion."),
    "Mistral": bad_request("Prompt contains 40000 tokens, too large for model with 32768 maximum"),
    "Cohere": "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "Moonshot": bad_request("Your request exceeded model token limit: 8192"),
    "Zhipu": {"error": {"code": "1261", "message": "Prompt exceeds max length"}},
    "DashScope": {"code": "InvalidParameter", "message": "Range of input length should be [1, 9]"},
    "DeepInfra": {"detail": {"error": "Requested input length 40 exceeds maximum input length 32"}},
    "watsonx": "the number of input tokens 5000 cannot exceed the total tokens limit 4096",
    "FastAPI": {"detail": [{"type": "value_error", "msg": "The prompt is too long."}]},
}


@pytest.mark.parametrize("body", CONTEXT.values(), ids=CONTEXT)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_conversation_that_is_too_long_is_named_in_any_servers_words(
    status: int, body: object
) -> None:
    for shape in (body, {"error": body}):
        details = ErrorDetails.of(shape)
        assert failure_of_status(status, details) is Failure.CONTEXT
        assert failure_in_stream(details) is Failure.CONTEXT
    error = Failure.CONTEXT.error("Tiny")
    assert isinstance(error, ContextTooLong)
    assert error.message == "This conversation is too long for Tiny. Start a new chat."


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, bad_request("max_tokens is too large: 100000."), Failure.REQUEST),
        (400, bad_request("'temperature' is out of range."), Failure.REQUEST),
        (400, bad_request("Invalid value for context."), Failure.REQUEST),
        (429, "Too many tokens, please wait before trying again.", Failure.RATE_LIMIT),
        (429, bad_request("Request too large for gpt-4o on tokens per min."), Failure.RATE_LIMIT),
        (400, bad_request("API key not valid. Please pass a valid API key."), Failure.API_KEY),
        (400, bad_request("Your credit balance is too low to access the API."), Failure.QUOTA),
        (429, bad_request("You exceeded your current quota, check your plan."), Failure.QUOTA),
        (400, bad_request("nope/nope is not a valid model ID"), Failure.MODEL),
        (400, {"error": {"code": "content_filter", "message": "x"}}, Failure.WITHHELD),
        (403, bad_request("Your input was flagged."), Failure.WITHHELD),
        (403, {}, Failure.API_KEY),
        (500, bad_request("The server is overloaded."), Failure.RATE_LIMIT),
        (500, "Internal Server Error", Failure.SERVER),
        (502, None, Failure.SERVER),
        (401, "prompt is too long", Failure.API_KEY),
    ],
)
def test_other_errors_are_told_apart(status: int, body: object, failure: Failure) -> None:
    assert failure_of_status(status, ErrorDetails.of(body)) is failure


def test_an_endless_error_costs_little_and_is_no_bug() -> None:
    nested: object = "prompt is too long"
    for _ in range(500):
        nested = {"error": [nested] * 2}
    assert ErrorDetails.of(nested) == ErrorDetails()
    for text in ("exceed" * 200_000, "input " * 200_000, "low " * 200_000, "model" * 200_000):
        assert failure_in_stream(ErrorDetails.of({"error": text})) is Failure.REPORTED


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": " 0.2 "}, 1),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "86400"}, 86_400),
        ({"retry-after": "9" * 12}, 100 * 366 * 86_400),
        ({"retry-after": "Tue, 01 Dec 2026 12:00:00 GMT"}, 3 * 86_400),
        ({"retry-after": "Tuesday, 01-Dec-26 12:00:00 GMT"}, 3 * 86_400),
        ({"retry-after": "Tue Dec  1 12:00:00 2026"}, 3 * 86_400),
        (
            {
                "retry-after": "Tue, 01 Dec 2026 12:00:00 GMT",
                "date": "Tue, 01 Dec 2026 11:58:00 GMT",
            },
            120,
        ),
        ({"retry-after": "Sat, 28 Nov 2026 11:00:00 GMT"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 2),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Mon, 99 Foo 99999 99:99:99 GMT"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_as_seconds_and_as_a_date(
    headers: dict[str, str], seconds: int | None
) -> None:
    assert parse_retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("seconds", "when"),
    [
        (1, "in 1 second"),
        (20, "in 20 seconds"),
        (90, "in 90 seconds"),
        (120, "in 2 minutes"),
        (121, "in 3 minutes"),
        (3_600, "in 60 minutes"),
        (7_200, "in 2 hours"),
        (86_400, "in 24 hours"),
        (172_800, "in 48 hours"),
        (259_200, "in 3 days"),
        (30 * 86_400, "in 30 days"),
        (90 * 86_400, "in 3 months"),
        (11 * 365 * 86_400, "in 11 years"),
        (0, "in a moment"),
        (None, "in a moment"),
        ("<b>", "in a moment"),
    ],
)
def test_a_wait_is_said_as_people_say_it(seconds: object, when: str) -> None:
    said = message_of("rate_limited", {"model": "Tiny", "retry_after": seconds})
    assert said == f"Tiny is busy or rate-limited. Try again {when}."
