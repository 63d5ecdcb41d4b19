"""Phone numbers in texts, in every way that people write them: "+49 (30) 123-456", "030 123456", "030/12.34.56"."""

import re
from collections.abc import Callable, Collection
from functools import cached_property

import phonenumbers

from encoders.data.contacts import normal_phone

_GAP = r"[ \t\u00a0().\-/\u2010-\u2015]{0,4}"
_RUN = re.compile(rf"(?<![0-9A-Za-z_])(?:[+(]{{1,2}})?[0-9](?:{_GAP}[0-9])+(?![0-9A-Za-z_])")
_GAP_BYTES = rb"(?:[ \t().\-/]|\xc2\xa0|\xe2\x80[\x90-\x95]|\\u[0-9a-fA-F]{4}|\\t){0,4}"
"""As it stands in UTF-8 and in JSON of ASCII signs."""
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]*)\.[0-9]+")
_SURE = 9
"""So many digits without a sign between them are no other number by chance."""


class Phones:
    """Some phone numbers, wherever they stand."""

    def __init__(self, numbers: Collection[str]) -> None:
        """Take numbers as E.164; whatever is none is passed over."""
        self._numbers = sorted(each for each in numbers if each.startswith("+"))

    def replaced(self, text: str, sign: str, is_other: Callable[[str], bool]) -> str:
        """A text with a sign in place of the numbers.

        A run of digits that is a number of somebody else as a whole stays, even where one of these is a part of it.

        Args:
            text: any text.
            sign: what to write instead.
            is_other: whether digits are the id of another user.
        """

        def judged(found: re.Match[str]) -> str:
            run = found[0]
            if _DECIMAL.fullmatch(run):
                return run
            digits = re.sub(r"\D", "", run)
            for number, country, national, within in self._parts:
                if national not in digits or (digits == run and is_other(run)):
                    continue
                whole = normal_phone(run, country)
                if whole == number and (run != digits or run[0] == "0" or len(digits) >= _SURE):
                    return sign
                if whole is None:
                    run = within.sub(sign, run)
            return run

        return _RUN.sub(judged, text) if self._numbers else text

    @cached_property
    def _parts(self) -> list[tuple[str, str, str, re.Pattern[str]]]:
        found = []
        for number in self._numbers:
            parsed = phonenumbers.parse(number)
            national = str(phonenumbers.national_significant_number(parsed))
            code, digits = _GAP.join(str(parsed.country_code)), _GAP.join(national)
            begin = rf"(?:(?:\+|00){_GAP}{code}{_GAP}(?:0{_GAP})?|0{_GAP}|\A(?:{code}{_GAP})?)"
            within = re.compile(rf"(?<![0-9])\(?{begin}{digits}(?![0-9])")  # bare, a number begins a run
            found.append((number, phonenumbers.region_code_for_number(parsed) or "", national, within))
        return found

    @cached_property
    def in_bytes(self) -> list[bytes]:
        """Patterns of bytes that every text with one of the numbers has."""
        return [_GAP_BYTES.join(bytes([each]) for each in national.encode()) for _, _, national, _ in self._parts]
