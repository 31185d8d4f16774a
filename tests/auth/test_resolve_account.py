"""Whose account a proof opens, as a table."""

from uuid import uuid4

import pytest

from chat_app.auth.errors import AccessDenied, AccountNotLinked, EmailRequired, SignUpClosed
from chat_app.auth.sign_in.identity import (
    Decision,
    ExistingUser,
    Method,
    VerifiedIdentity,
    has_claim,
    resolve_account,
)

EMAIL = "ada@example.org"


def user(*, verified: bool = True, disabled: bool = False) -> ExistingUser:
    return ExistingUser(uuid4(), EMAIL, verified, disabled)


def proof(
    method: Method = "oauth", *, verified: bool = True, email: str = EMAIL
) -> VerifiedIdentity:
    return VerifiedIdentity(method, "https://id.example", "7", email=email, email_verified=verified)


def judge(
    given: VerifiedIdentity,
    *,
    owner: ExistingUser | None = None,
    email_owner: ExistingUser | None = None,
    create: bool = True,
    take_over: bool = True,
) -> object:
    refusal = None if create else SignUpClosed()
    return resolve_account(given, owner, email_owner, refusal=refusal, may_claim=take_over)


@pytest.mark.parametrize("verified", [True, False])
def test_issuer_and_subject_open_the_account_whatever_the_address_says(verified: bool) -> None:
    ada, email_owner = user(verified=False), user()
    given = proof(verified=verified, email="somebody-else@example.org")
    assert judge(given, owner=ada, email_owner=email_owner, create=False) == Decision(ada)


@pytest.mark.parametrize("method", ["password", "passkey", "oauth", "email"])
def test_a_disabled_person_is_refused_on_every_way(method: Method) -> None:
    with pytest.raises(AccessDenied):
        judge(proof(method), owner=user(disabled=True))
    with pytest.raises(AccessDenied):
        judge(proof(method), email_owner=user(disabled=True))


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("method", ["password", "oauth"])
def test_an_address_joins_no_accounts(method: Method, verified: bool) -> None:
    with pytest.raises(AccountNotLinked):
        judge(proof(method, verified=verified), email_owner=user())


def test_a_mailbox_opens_the_account_that_proved_it() -> None:
    ada = user()
    assert judge(proof("email"), email_owner=ada) == Decision(ada)


@pytest.mark.parametrize("method", ["email", "oauth"])
def test_who_proves_the_address_of_an_unproved_account_gets_it_cleared(method: Method) -> None:
    squatted = user(verified=False)
    assert judge(proof(method), email_owner=squatted) == Decision(squatted, claims_account=True)
    with pytest.raises(AccountNotLinked):
        judge(proof(method), email_owner=squatted, take_over=False)


@pytest.mark.parametrize("method", ["password", "oauth"])
def test_who_only_claims_it_does_not(method: Method) -> None:
    with pytest.raises(AccountNotLinked):
        judge(proof(method, verified=False), email_owner=user(verified=False))


def test_a_new_user_gets_an_account_where_sign_up_is_open() -> None:
    assert judge(proof()) == Decision(None)
    with pytest.raises(SignUpClosed):
        judge(proof(), create=False)
    with pytest.raises(EmailRequired):
        judge(proof(email=""))


@pytest.mark.parametrize(
    ("required", "said", "fits"),
    [
        ("", None, True),
        ("hd:acme.example", "acme.example", True),
        ("hd:acme.example", "evil-acme.example", False),
        ("groups:staff", ["guests", "staff"], True),
        ("groups:staff", ["staff-alumni"], False),
        ("groups:staff", "staff,admin", False),
        ("groups:staff", {"staff": True}, False),
        ("groups:staff", None, False),
        ("admin:True", True, False),
        ("url:https://x.example", "https://x.example", True),
    ],
)
def test_a_required_claim_is_there_as_such(required: str, said: object, fits: bool) -> None:
    name = required.partition(":")[0]
    claims = {} if said is None else {name: said}
    assert has_claim(required, VerifiedIdentity("oauth", "i", "s", claims=claims)) is fits
