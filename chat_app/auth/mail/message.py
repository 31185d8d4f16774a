"""A letter as the mail that carries it: plain text, and the same with a button."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from html import escape

from chat_app.auth.mail.letters import Letter

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>{subject}</title>
<body style="margin:0;padding:2rem 1rem;font:16px/1.6 system-ui,sans-serif">
<div style="max-width:34rem;margin:0 auto">
{body}
</div>
</body>
</html>
"""
_PARAGRAPH = '<p style="margin:0 0 1rem">{words}</p>'
_BUTTON = (
    '<p style="margin:0 0 1rem"><a href="{link}" style="display:inline-block;padding:.7rem 1.2rem;'
    'border-radius:.6rem;background:#3b5bdb;color:#fff;text-decoration:none;font-weight:600">'
    "{words}</a></p>"
)


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """The mail that carries a letter.

    Args:
        letter: What it says, and to whom.
        sender: `Name <address>` or an address.
    """
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name, local, domain)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = letter.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=domain)
    # Nobody's holiday reply should come back (RFC 3834 §5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text_of(letter))
    message.add_alternative(_html_of(letter), subtype="html")
    return message


def text_of(letter: Letter) -> str:
    """A letter as plain text."""
    link = (letter.link,) if letter.link else ()
    return "\n\n".join((*letter.before, *link, *letter.after)) + "\n"


def _html_of(letter: Letter) -> str:
    def said(paragraphs: tuple[str, ...]) -> list[str]:
        return [_PARAGRAPH.format(words=escape(words)) for words in paragraphs]

    button = []
    if letter.link:
        button = [_BUTTON.format(link=escape(letter.link), words=escape(letter.words))]
    body = "\n".join([*said(letter.before), *button, *said(letter.after)])
    return _PAGE.format(subject=escape(letter.subject), body=body)
