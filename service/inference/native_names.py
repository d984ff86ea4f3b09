"""Names of languages, each in that language ("Deutsch", "français", "日本語"), with or without their accents.

Source: Unicode's CLDR 47, as Babel 2.18 holds it; `jw`, `no` and `tl`, Whisper's codes, are `jv`, `nb` and `fil` there.
"""

import re
import unicodedata
from functools import cache
from typing import Final

NATIVE_NAMES: Final = """
af Afrikaans
am አማርኛ
ar العربية
as অসমীয়া
az azərbaycan
ba башҡорт теле
be беларуская
bg български
bn বাংলা
bo བོད་སྐད་
br brezhoneg
bs bosanski
ca català
cs čeština
cy Cymraeg
da dansk
de Deutsch
el Ελληνικά
en English
es español
et eesti
eu euskara
fa فارسی
fi suomi
fo føroyskt
fr français
gl galego
gu ગુજરાતી
ha Hausa
haw ʻŌlelo Hawaiʻi
he עברית
hi हिन्दी
hr hrvatski
ht Kreyòl Ayisyen
hu magyar
hy հայերեն
id Indonesia
is íslenska
it italiano
ja 日本語
jw Jawa
ka ქართული
kk қазақ тілі
km ខ្មែរ
kn ಕನ್ನಡ
ko 한국어
la Latina
lb Lëtzebuergesch
ln lingála
lo ລາວ
lt lietuvių
lv latviešu
mg Malagasy
mi Māori
mk македонски
ml മലയാളം
mn монгол
mr मराठी
ms Melayu
mt Malti
my မြန်မာ
ne नेपाली
nl Nederlands
nn norsk nynorsk
no norsk bokmål
oc occitan
pa ਪੰਜਾਬੀ
pl polski
ps پښتو
pt português
ro română
ru русский
sa संस्कृत भाषा
sd سنڌي
si සිංහල
sk slovenčina
sl slovenščina
sn chiShona
so Soomaali
sq shqip
sr српски
su Basa Sunda
sv svenska
sw Kiswahili
ta தமிழ்
te తెలుగు
tg тоҷикӣ
th ไทย
tk türkmen dili
tl Filipino
tr Türkçe
tt татар
uk українська
ur اردو
uz o‘zbek
vi Tiếng Việt
yi ייִדיש
yo Èdè Yorùbá
yue 粵語
zh 中文
"""
"""One language per line: its code, then its name."""
# Marks of Latin, Greek and Cyrillic letters; those of other scripts are vowels.
_ACCENTS: Final = re.compile("[\u0300-\u036f]")


@cache
def _codes() -> dict[str, str]:
    rows = (line.partition(" ") for line in NATIVE_NAMES.strip().splitlines())
    return {_plain(name): code for code, _, name in rows}


def find_by_native_name(name: str) -> str | None:
    """Code of a language by its name in itself; None where it is unknown."""
    return _codes().get(_plain(name))


def _plain(name: str) -> str:
    """Small letters without accents, with single spaces."""
    return " ".join(_ACCENTS.sub("", unicodedata.normalize("NFKD", name)).casefold().split())
