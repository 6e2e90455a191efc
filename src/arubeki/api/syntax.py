"""What is wrong with JSON text, in the words of Go's decoder.

People search for these words, and clients compare them. The fast parser tells only that a text is
no JSON; this one, which reads byte by byte, is asked when that is known already.

Pure: no I/O, no clock. Source: Go encoding/json scanner.go.
"""

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_ENDED = "unexpected end of JSON input"


class _Fault(Exception):
    """What is wrong, as Go says it."""


def json_fault(text: bytes) -> str:
    """Return what makes `text` no JSON, "" if it is JSON."""
    try:
        _Scanner(text).document()
    except _Fault as fault:
        return str(fault)
    return ""


class _Scanner:
    """Walks over JSON text. Containers are kept on a stack of our own, so depth is no matter."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def document(self) -> None:
        """Walk over one value and nothing more."""
        stack: list[int] = []
        wanted = True
        while wanted or stack:
            wanted = self.value(stack) if wanted else self.member(stack)
        if self.skip_space() is not None:
            raise self.odd("after top-level value")

    def value(self, stack: list[int]) -> bool:
        """Walk over a value, or into a container; tell whether its first value is next."""
        found = self.need_visible()
        if found in b"{[":
            self.at += 1
            return self.open(found, stack)
        if found == ord('"'):
            self.string()
        elif found in _LITERALS:
            self.literal(_LITERALS[found])
        elif found in b"-0123456789":
            self.number()
        else:
            raise self.odd("looking for beginning of value")
        return False

    def open(self, opened: int, stack: list[int]) -> bool:
        closing = ord("}") if opened == ord("{") else ord("]")
        found = self.need_visible()
        if found == closing:
            self.at += 1
            return False
        stack.append(closing)
        if closing == ord("}"):
            self.key()
        return True

    def member(self, stack: list[int]) -> bool:
        """Walk over what follows a value in a container; tell whether another value is next."""
        found, closing = self.need_visible(), stack[-1]
        in_object = closing == ord("}")
        if found == closing:
            self.at += 1
            stack.pop()
            return False
        if found != ord(","):
            raise self.odd("after object key:value pair" if in_object else "after array element")
        self.at += 1
        if in_object:
            self.key()
        return True

    def key(self) -> None:
        if self.need_visible() != ord('"'):
            raise self.odd("looking for beginning of object key string")
        self.string()
        if self.need_visible() != ord(":"):
            raise self.odd("after object key")
        self.at += 1

    def string(self) -> None:
        self.at += 1
        while (found := self.need()) != ord('"'):
            if self.at >= len(self.text):
                raise _Fault(_ENDED)
            if found < 0x20:
                raise self.odd("in string literal")
            self.at += 1
            if found == ord("\\"):
                self.escape()
        self.at += 1

    def escape(self) -> None:
        found = self.need()
        if found not in b'bfnrt\\/"u':
            raise self.odd("in string escape code")
        self.at += 1
        if found == ord("u"):
            for _ in range(4):
                self.one_of(_HEX, "in \\u hexadecimal character escape")

    def literal(self, word: bytes) -> None:
        for expected in word:
            if self.need() != expected:
                raise self.odd(f"in literal {word.decode()} (expecting {chr(expected)!r})")
            self.at += 1

    def number(self) -> None:
        if self.need() == ord("-"):
            self.at += 1
        first = self.need()
        self.one_of(_DIGITS, "in numeric literal")
        if first != ord("0"):
            self.digits()
        if self.next_is(b"."):
            self.one_of(_DIGITS, "after decimal point in numeric literal")
            self.digits()
        if self.next_is(b"eE"):
            self.next_is(b"+-")
            self.one_of(_DIGITS, "in exponent of numeric literal")
            self.digits()

    def digits(self) -> None:
        while self.next_is(_DIGITS):
            pass

    def one_of(self, wanted: bytes, where: str) -> None:
        if self.need() not in wanted:
            raise self.odd(where)
        self.at += 1

    def next_is(self, wanted: bytes) -> bool:
        """Walk over a byte if it is one of those wanted; tell whether."""
        if self.at < len(self.text) and self.text[self.at] in wanted:
            self.at += 1
            return True
        return False

    def need(self) -> int:
        """Return the next byte; a space at the end, as Go's decoder takes it."""
        return self.text[self.at] if self.at < len(self.text) else ord(" ")

    def need_visible(self) -> int:
        if self.skip_space() is None:
            raise _Fault(_ENDED)
        return self.text[self.at]

    def skip_space(self) -> int | None:
        """Go to the next byte that is no space, and return it; None at the end."""
        while self.at < len(self.text):
            found = self.text[self.at]
            if found not in _SPACE:
                return found
            self.at += 1
        return None

    def odd(self, where: str) -> _Fault:
        return _Fault(f"invalid character {_quoted(self.need())} {where}")


def _quoted(byte: int) -> str:
    """Return a byte as Go shows it. Source: scanner.go quoteChar."""
    if byte == ord("'"):
        return r"'\''"
    if byte == ord('"'):
        return "'\"'"
    named = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 92: "\\"}
    if byte in named:
        return f"'\\{named[byte]}'"
    character = chr(byte)
    if character.isprintable():
        return f"'{character}'"
    return f"'\\x{byte:02x}'" if byte < 0x80 else f"'\\u{byte:04x}'"
