"""Whether a value next to a name such as `password` is a secret, or code, a type, a placeholder, a sentence."""

from __future__ import annotations

import re

from msgspec import Struct

MIN_BYTES = 6
_PASSWORD = re.compile(rb"(?i)passw|passphrase|pwd|_PASS")
_REFERENCE = re.compile(
    rb"\$\{?[A-Za-z_][\w.:?-]*\}?|\$\(.*|%[A-Za-z_]\w*%|\$?\{\{.*|\{[\w.:!]*\}.*|<[^>]*>?|%\([a-z_]+\)s"
    rb"|(?:[*xX.?_-]|\xe2\x80\xa2)+"
    rb"|(?i:your|my|the|some|example|dummy|fake)[-_ ](?:[a-z]+[-_ ]){0,4}(?:password|secret|token|key|value|here)s?"
)
_WORDS = frozenset(
    b"string str text bytes number integer int float bool boolean object optional option required "
    b"undefined unknown null none true false missing invalid incorrect expired wrong empty rejected "
    b"refused denied accepted expected unexpected identifier password passwords passwd secret secrets "
    b"token tokens apikey api_key default disabled enabled redacted masked hidden removed forgotten "
    b"changed reset updated unset private public protected readonly static const char varchar array symbol "
    b"never any void self this value values function lambda return await async input prompt literal "
    b"sequence mapping list dict tuple newtype secretstr".split()
)
_TYPE = re.compile(rb"(?i)(?:u?int|float|char|varchar|utf|sha|md|base)-?[0-9]{1,3}")
_DOTTED = re.compile(rb"!?[A-Za-z_]\w*(?:(?:\.|->|::|\?\.)[A-Za-z_]\w*)+[!?]?")
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*[!?]?")
_CALL = re.compile(rb"[A-Za-z_][\w.]*[(\[](?:.*[)\]][,;:)]*)?")
_LETTERS = re.compile(rb"[A-Za-z]+[.!?:]?")
_KEYWORD = re.compile(rb"(?i)passw|secret|token|key|credential|auth|pwd")
_PATH = re.compile(rb"(?:[A-Za-z]:\\|~?\.{0,2}/)[\w.@/-]*")
_NUMBER = re.compile(rb"-?[0-9.]+(?:[eE][+-]?[0-9]+)?")
_HYPHENATED = re.compile(rb"[a-z]+(?:[-_][a-z]+)+")
_SENTENCE = re.compile(
    rb"(?i)\b(?:is|are|was|must|should|cannot|can't|may|not|does|do|the|a|an|your|please|enter|for|has|have|with|to|of|in)\b"
)


class Named(Struct, frozen=True, kw_only=True):
    """What is known next to a value.

    Args:
        name: The word that matched, such as `password`.
        in_environment: An upper-case name directly before `=`.
        is_json: The name ends with a quote, so that a bare value is a JSON literal or code.
    """

    name: bytes
    in_environment: bool
    is_quoted: bool
    is_json: bool


def is_secret(named: Named, value: bytes, *, follows: bytes) -> bool:
    """Whether to redact it.

    Args:
        follows: The byte behind the value; an opening bracket makes it a call.
    """
    if len(value) < MIN_BYTES or b"[redacted]" in value or _REFERENCE.fullmatch(value):
        return False
    small = value.rstrip(b".!:;,").lower()
    if small in _WORDS or _TYPE.fullmatch(value) or small == named.name.lower():
        return False
    is_password = _PASSWORD.search(named.name) is not None
    if named.is_quoted:
        return _quoted(value, is_password)
    if named.is_json and _NUMBER.fullmatch(value):
        return False  # a figure, and it has to stay a JSON number
    if _PATH.fullmatch(value) and not is_random(value):
        return False
    if named.in_environment:
        return _CALL.fullmatch(value) is None
    return _bare(value, is_password, follows)


def is_word_like(value: bytes) -> bool:
    """Whether a value has no digit and is no mixture of letters, as words and names are and random text is not."""
    return not (re.search(rb"[0-9]", value) or _is_mixed(value)) or _REFERENCE.fullmatch(value) is not None


def is_random(value: bytes, least: int = 20) -> bool:
    """Whether a value is long and has both letters and digits, as random text has."""
    return (
        len(value) >= least and re.search(rb"[0-9]", value) is not None and re.search(rb"[A-Za-z]", value) is not None
    )


def _quoted(value: bytes, is_password: bool) -> bool:
    if _PATH.fullmatch(value) and not is_random(value):
        return False
    if re.search(rb"\s", value):
        return (is_password or re.search(rb"[0-9]", value) is not None) and _SENTENCE.search(value) is None
    if is_password:
        return True
    # Names of variables, headers and cookies are letters too: "token": "access_token".
    return not (_KEYWORD.search(value) and re.fullmatch(rb"[A-Za-z_.-]+", value)) and not _HYPHENATED.fullmatch(value)


def _bare(value: bytes, is_password: bool, follows: bytes) -> bool:
    if (follows and follows in b"([<") or value.endswith(b":"):
        return False  # a call, an index, a generic type; a further key
    if _DOTTED.fullmatch(value) and not (is_password and re.search(rb"[0-9]", value)):
        return False
    if _LETTERS.fullmatch(value):
        return is_password and _KEYWORD.search(value) is None and not _is_name(value)
    if _NUMBER.fullmatch(value):
        return is_password
    if re.search(rb"[0-9]", value) is None:
        # A variable or a name such as my-tls-secret; a password may have signs.
        if _IDENTIFIER.fullmatch(value) or _KEYWORD.search(value):
            return False
        return is_password or (not _HYPHENATED.fullmatch(value) and re.search(rb"[^\w.:/-]", value) is not None)
    return not (_IDENTIFIER.fullmatch(value) and _KEYWORD.search(value) and not _is_mixed(value))


def _is_name(value: bytes) -> bool:
    """`passwordHasher`, `HttpClient`: a class or variable."""
    return re.search(rb"[a-z][A-Z][a-z]", value) is not None and len(value) < 24


def _is_mixed(value: bytes) -> bool:
    return len(re.findall(rb"[a-z][A-Z]|[A-Z]{2}[a-z]", value)) >= 3
