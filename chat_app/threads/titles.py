"""Thread titles: the rules for automatic, model and user titles. Pure."""

import html
import json
import re

from chat_app.core.errors import InvalidInput
from chat_app.core.text import repair_surrogates, visible_line

AUTOMATIC_LENGTH = 60
"""The longest automatic title, in characters."""
MAX_TITLE_LENGTH = 200
"""The longest title of a user, in characters."""

_MAX_ANSWER_LENGTH = 4_000

_REASONING = re.compile(
    r"<(think|thinking|thought|reasoning)>.*?(</\1>|\Z)|\[THINK\].*?(\[/THINK\]|\Z)", re.S | re.I
)
_REASONING_END = re.compile(r"^.*(</(think|thinking|thought|reasoning)>|\[/THINK\])", re.S | re.I)
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>\n]{1,30}\|>(?:assistant\b)?|</?s>|\[/?INST\]")
_TEX_BOX = re.compile(r"\\(?:boxed|text)\{([^{}\n]{0,200})\}")
_TITLE_TAG = re.compile(r"<title>(.*?)(</title>|\Z)", re.S | re.I)
_ONE_TAG = re.compile(r"^\s*<([a-z][\w-]{0,30})>([^<>]*)</\1>\s*$", re.I)
_TAG = re.compile(
    r"</?(title|b|i|u|s|em|strong|mark|small|su[bp]|h[1-6]|p|br|hr|div|span|font|code|pre|a|q|ul|ol"
    r"|li|center|html|head|body|answer|response|output|result|topic|summary)(\s[^<>]{0,200})?/?>",
    re.I,
)
_JSON_TITLE = re.compile(
    r'"(?:\w{1,20}_)?(?:title|name|topic|subject|heading|headline|summary)"\s*:\s*'
    r'"((?:[^"\\]|\\.){1,400})"',
    re.I,
)
_JSON_STRING = re.compile(r'\[\s*"((?:[^"\\]|\\.){1,400})"')
_BLOCK_MARK = re.compile(r"^(?:#+\s*|[-*+>\u2022\u2013]\s+|\(?\d{1,2}[.)]\s+|\(?[a-c]\)\s+)+")
_LABEL = (
    r"(?:(?:chat|conversation|thread|suggested|proposed|possible|short|final|the|my|your|a)\s+){0,3}"
    r"(?:titles?|topic|subject|heading|headline|suggestions?|answer|output|result|titre|titel|título"
    r"|titolo|tytuł|заголовок|标题|標題|タイトル|제목)(?:\s+(?:suggestions?|ideas?|options?|\d))?"
)
_PREFIX = re.compile(rf"^[*_`]*{_LABEL}\s*[*_`]*\s*[:\uff1a]\s*[*_`]*\s*", re.I)
_ONLY_LABEL = re.compile(rf"^\W*{_LABEL}\W*$", re.I)
_AGREEMENT = re.compile(
    r"^(?:(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|alright|no problem|understood)"
    r"\s*[!.,:]+|(?:great|got it|yes)\s*[!.]+)\s*",
    re.I,
)
_PREAMBLE = re.compile(
    r"^(?:(?:here|below|voici|hier|aquí|ecco)\b[^:\uff1a\n]{0,120}"
    r"|(?:this|the|an?|my|i|one|some|possible|based)\b[^:\uff1a\n]{0,80}"
    r"\b(?:titles?|headings?|headlines?|suggestions?)\b[^:\uff1a\n]{0,80})[:\uff1a]\s*",
    re.I,
)
_ABOUT_TITLES = re.compile(
    r"\b(?:titles?|names?|topic|headings?|headlines?|suggestions?|options?|titre|titel|título|titolo"
    r"|you go|one)\b",
    re.I,
)
_QUOTED = re.compile(
    r"[\"\u201c\u201e\u00ab]([^\"\u201c\u201d\u00ab\u00bb\n]{2,80})[\"\u201d\u00bb]"
)
_SUGGESTION = re.compile(
    r"^(?:(?:i|we)(?:'d| would| will|'ll)? (?:suggest|call|title|propose|name|recommend)"
    r"|how about|(?:the|a|an|one|my)\b.{0,30}\btitle\b|here)\b",
    re.I,
)
_NOT_TITLES = (
    r"(?:ok(?:ay)?|hmm+|well|so|alright|now|first|right)[,.]? +(?:the|we|i|let|this|they)\b",
    r"(?:we|i) (?:need|have|should|must|can|could|can't|cannot|want|will|am|are|think|would)\b",
    r"(?:we|i) (?:don't|do not|understand|see|apologi[sz]e)\b|(?:we|i)'(?:ll|m|d|ve|re)\b",
    r"let me\b|let us\b|let's (?:think|see|start|make|figure|break|consider|analy|summari)",
    r"let's (?:produce|create|write|come|find|generate|craft)\b",
    r"(?:the )?user(?:'s)? (?:\w+ ){0,2}(?:asks?|asked|asking|wants?|is|says?|said|needs?)\b",
    r"(?:the )?user(?:'s)? (?:\w+ ){0,2}(?:message|request|question|input)\b",
    r"the (?:conversation|message|question|request) (?:\w+ ){0,2}(?:is|asks?|begins|says?)\b",
    r"(?:thinking|thought) process|analy[sz](?:e|ing) the",
    r"(?:i'm |i am )?sorry\b|my apologies|as an ai\b|please (?:provide|share|let me)|thank you for",
    "\u597d\u7684[\uff0c,]|\u55ef[\uff0c,]|\u7528\u6237|\u6211\u4eec?\u9700\u8981",
    r"(?:hello|hi)[!,.] +(?:how|i|what)\b|how (?:can|may) i (?:help|assist)\b",
)
"""How models begin that think aloud (also in Chinese), refuse, or answer the message."""
_NO_TITLE = re.compile("|".join(_NOT_TITLES), re.I)
_HELP = re.compile(r"\b(?:can|may) i (?:help|assist) you\b|\bhappy to help\b|\blet me know\b", re.I)
_NEXT_SENTENCE = re.compile(r"[^\W\d_]{4,}\.[\"')]*\s+[A-Z]")
_MAX_SENTENCE_WORDS = 6
"""A longer line that ends with a full stop is an answer, not a title."""
_QUOTES = "\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"
_WRAPPING = " \t*_`~" + _QUOTES
_BEFORE = "#>" + _WRAPPING
_PUNCTUATION = " .,;:\u3002\uff1a\u3001"


def first_words(text: str, length: int = AUTOMATIC_LENGTH) -> str:
    """The beginning of a message as a title, cut between words.

    Args:
        text: The message.
        length: The longest result, in characters.
    """
    line = visible_line(text)
    if len(line) <= length:
        return line
    words, space, _ = line[:length].rpartition(" ")
    if not space or len(words) < length // 3:
        words = line[: length - 1]
    return words.rstrip(" ,;:-\u2013\u2014") + "…"


def clean_model_title(answer: str, length: int = AUTOMATIC_LENGTH) -> str | None:
    """The title in a model's answer; None if there is no usable one.

    Models wrap a title in reasoning, markup, JSON or politeness, or answer in place of it.

    Args:
        answer: The model's answer to the request for a title.
        length: The longest usable title, in characters; a longer one is a sentence, not a title.
    """
    if len(answer) > _MAX_ANSWER_LENGTH:
        return None
    text = _without_wrapping(repair_surrogates(answer))
    line = _title_line([line.strip() for line in text.splitlines() if visible_line(line)])
    if line is None:
        return None
    line = visible_line(re.sub(r"\*\*|__|`", "", line))
    is_sentence = line.endswith((".", "\u3002")) and len(line.split()) > _MAX_SENTENCE_WORDS
    if is_sentence or _NO_TITLE.match(line) or _HELP.search(line) or _NEXT_SENTENCE.search(line):
        return None
    line = line.lstrip(_BEFORE).rstrip(_WRAPPING).rstrip(_PUNCTUATION).rstrip(_WRAPPING)
    if not any(character.isalnum() for character in line):
        return None
    return line if len(line) <= length else None


def clean_user_title(title: str) -> str:
    """A user's title, normalised.

    Raises:
        InvalidInput: It is empty or longer than `MAX_TITLE_LENGTH` characters.
    """
    line = visible_line(title)
    if not line:
        raise InvalidInput("Enter a title.")
    if len(line) > MAX_TITLE_LENGTH:
        raise InvalidInput(f"A title can have at most {MAX_TITLE_LENGTH} characters.")
    return line


def _without_wrapping(text: str) -> str:
    """The text without reasoning, special tokens, JSON, fences and HTML."""
    text = _REASONING_END.sub("", _REASONING.sub("", text))
    text = _SPECIAL_TOKEN.sub(" ", text)
    if found := _JSON_TITLE.search(text) or _JSON_STRING.search(text):
        return _unescaped(found[1])
    if text.lstrip("`json \n").startswith("{"):
        return ""  # half a JSON object
    if found := _TITLE_TAG.search(text):
        text = found[1]
    elif found := _ONE_TAG.match(text):
        text = found[2]
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("```"))
    return html.unescape(_TAG.sub("", _TEX_BOX.sub(r"\1", text)))


def _unescaped(text: str) -> str:
    try:
        return repair_surrogates(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _title_line(lines: list[str]) -> str | None:
    """The line that holds the title, without what introduces it."""
    for position, line in enumerate(lines):
        is_last = position == len(lines) - 1
        bare = line.strip("*_ ")
        if _ONLY_LABEL.match(bare) and not is_last:
            continue
        rest = _AGREEMENT.sub("", bare)
        if not rest:
            continue
        if _SUGGESTION.match(rest) and (quoted := _QUOTED.search(rest)):
            return quoted[1]
        introduced = _PREAMBLE.match(rest)
        if introduced and _ABOUT_TITLES.search(introduced[0]):
            rest = rest[introduced.end() :]
        elif not is_last and rest.endswith((":", "\uff1a")):
            return None  # the beginning of an answer
        if not rest:
            continue
        return _PREFIX.sub("", _BLOCK_MARK.sub("", rest))
    return None
