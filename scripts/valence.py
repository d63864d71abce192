"""Writes crates/engine/assets/valence.txt: words with their mean rating, from the lexicon of the PyPI package
vaderSentiment (C.J. Hutto, MIT licence).

usage: valence.py VADER_LEXICON.TXT > crates/engine/assets/valence.txt

Left out are emoticons, which are no words, and words that name a group of people, a faith or a body: what somebody
belongs to is no mood.
"""

import re
import sys

GROUPS = re.compile(
    r"(gay|lesb|homo(sex|phob)?|queer|dyke|fag+(s|g?ot|ot)?|tranny|trans(gend|sex)|nig+(a|er)|negro|jew|muslim|islam|christ|"
    r"catholic|god|jesus|lord|holy|heaven|hell(?!o)|devil|divin|bless|pray|saint|angel|sacred|sin(s|ned|ner|ful)?$|"
    r"heathen|pagan|atheis|religio|racis|sexis|slut|whore|bitch|cunt|cripple|handicap|disab|retard|blind|deaf|dumb|"
    r"lame|moron|imbecil|lunatic|psycho|insan|crazy|mad(ly)?$|fat(ty|so)?$|obes|ugl|spinster|senil|elder|old|"
    r"orphan|widow|divorc|virgin|pregnan|abort|immigr|alien|foreign|refugee|slave|gyps|savage|barbar)"
)

for line in open(sys.argv[1], encoding="utf-8"):
    word, rating = line.split("\t")[:2]
    word = word.replace("'", "").lower()
    if re.fullmatch(r"[a-z]{2,30}", word) and not GROUPS.match(word):
        print(word, round(float(rating) * 100))
