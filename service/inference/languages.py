"""Languages by code, name or tag of a locale, as clients name them, as the code that the aligners use.

Source: the languages of Whisper, their names and aliases as in OpenAI's `whisper/tokenizer.py`, and their codes of
ISO 639-2 and 639-3 as in the aliases of Unicode's CLDR.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from alignment.aligners.weights.config import DETECT
from alignment.errors import UnsupportedLanguageError
from service.inference.native_names import find_by_native_name

_TABLE: Final = """
af afrikaans afr
am amharic amh
ar arabic ara arb
as assamese asm
az azerbaijani aze azj
ba bashkir bak
be belarusian bel
bg bulgarian bul
bn bengali ben
bo tibetan bod tib
br breton bre
bs bosnian bos
ca catalan valencian cat
cs czech ces cze
cy welsh cym wel
da danish dan
de german deu ger
el greek ell gre
en english eng
es spanish castilian spa
et estonian ekk est
eu basque baq eus
fa persian farsi fas per pes
fi finnish fin
fo faroese fao
fr french fra fre
gl galician glg
gu gujarati guj prp
ha hausa hau
haw hawaiian
he hebrew heb
hi hindi hin
hr croatian hrv scr
ht haitian_creole haitian hat
hu hungarian hun
hy armenian arm hye
id indonesian ind
is icelandic ice isl
it italian ita
ja japanese jpn
jw javanese jv jav
ka georgian geo kat
kk kazakh kaz
km khmer khm
kn kannada kan
ko korean kor
la latin lat
lb luxembourgish letzeburgesch ltz
ln lingala lin
lo lao lao
lt lithuanian lit
lv latvian lav lvs
mg malagasy mlg plt
mi maori mao mri
mk macedonian mac mkd
ml malayalam mal
mn mongolian drh khk mon
mr marathi mar
ms malay may msa zsm
mt maltese mlt
my myanmar burmese bur mya
ne nepali nep npi
nl dutch flemish dut nld
nn nynorsk nno
no norwegian nor nb nob
oc occitan oci
pa punjabi panjabi pan
pl polish pol
ps pashto pushto pbu pus
pt portuguese por
ro romanian moldavian moldovan mol ron rum
ru russian rus
sa sanskrit cls san
sd sindhi snd
si sinhala sinhalese sin
sk slovak slk slo
sl slovenian slv
sn shona sna
so somali som
sq albanian alb als sqi
sr serbian scc srp
su sundanese sun
sv swedish swe
sw swahili swa swh
ta tamil tam
te telugu tel
tg tajik tgk
th thai tha
tk turkmen tuk
tl tagalog fil filipino tgl
tr turkish tur
tt tatar tat
uk ukrainian ukr
ur urdu urd
uz uzbek uzb uzn
vi vietnamese vie
yi yiddish ydd yid
yo yoruba yor
yue cantonese
zh chinese mandarin chi cmn zho
"""
"""One language per line: its code, then names and other codes; `_` stands for a space in a name."""

_OTHERS: Final = "und"


@cache
def _codes() -> dict[str, str]:
    rows = [line.split() for line in _TABLE.strip().splitlines()]
    return {name.replace("_", " "): code for code, *names in rows for name in (code, *names)}


def find_language_code(language: str) -> str:
    """Code of a language by its code ("EN", "eng"), its name ("German", "Deutsch") or a locale ("en-US", "en_GB").

    A language that is not in the table is returned as it is; the aligner refuses it and names those that it supports.
    """
    name = " ".join(language.lower().split())
    known = _codes().get(name) or _codes().get(name.replace("_", "-").split("-")[0]) or find_by_native_name(language)
    return known or (DETECT if name == DETECT else language)


def find_language_name(code: str) -> str:
    """English name of a language ("english") by its code; a code that is not in the table is returned as it is."""
    return next((name for name, known in _codes().items() if known == code and name != code), code)


@dataclass(frozen=True, slots=True)
class LanguageRefusals:
    """Languages that an aligner in another process refuses.

    Attributes:
        aligner: Name of the aligner.
        supported: What it supports instead, by the code of each refused language; "und" stands for all codes that are
            not in the table.
    """

    aligner: str = ""
    supported: Mapping[str, str] = field(default_factory=dict)

    def check(self, language: str | None) -> None:
        """Do as `Aligner.check_language` of that aligner did.

        Raises:
            UnsupportedLanguageError: The aligner refuses the language.
        """
        code = (language or DETECT).split("-")[0].lower()
        supported = self.supported.get(code if code in _probed() else _OTHERS)
        if language is not None and supported is not None:
            raise UnsupportedLanguageError(self.aligner, language, supported)


def find_refusals(aligner: str, check: Callable[[str], None]) -> LanguageRefusals:
    """Languages that an aligner refuses.

    Args:
        aligner: Name of the aligner.
        check: Its `Aligner.check_language`.
    """
    refused = {}
    for code in _probed():
        try:
            check(code)
        except UnsupportedLanguageError as exc:
            refused[code] = exc.supported
    return LanguageRefusals(aligner, refused)


def _probed() -> frozenset[str]:
    return frozenset({*_codes().values(), DETECT, _OTHERS})
