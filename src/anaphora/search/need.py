"""Need: does a message ask for anything of the past? Thanks, follow-ups and general knowledge do not; "my dog's name" does.

Quoting the past into every question makes answers worse, most of all those of small models (Lumetra, "When not to retrieve").
So recall runs only where a message says that it is about the user (``my``, ``we``), appeals to memory (``last time``), or names
what this owner spoke of. The last is decided by what a store finds (context/recall.py).
"""

from __future__ import annotations

import re

from anaphora.search.folding import folded
from anaphora.search.languages import language_of
from anaphora.search.terms import cue_words
from anaphora.search.words import words
from anaphora.values.report import Need

_QUESTION = re.compile(r"[^.!?？。！؟\n]+[?？؟]")
_SENTENCE = re.compile(r"[^.!?？。！؟।\n]+[.!?？。！؟।]*")
_ASKS = re.compile(
    r"\A\W*(?:what|whats|when|where|who|whom|whose|which|why|how|do|does|did|is|are|was|were|am|can|could|would|should|will|have|has"
    r"|que|quien|cual|cuando|donde|como|quel|quelle|qui|quand|ou|comment|was|wer|wann|wo|wie|welche\w*|warum|qual|quando|onde|chi|dove"
    r"|kak|что|кто|где|когда|как|какой|какая|какие|сколько|почему|ما|من|متى|اين|كيف|هل|كم|क्या|कौन|कब|कहाँ|कैसे|apa|siapa|kapan|dimana|di mana|bagaimana|berapa"
    r"|wat|wie|waar|wanneer|hoe|welke|ne|kim|nerede|nasil|kac|hangi)\b"
)
# Where no blanks stand between words, a mark is often left out.
_ASKS_UNSPACED = re.compile(
    "什么|吗|哪|谁|多少|几|怎|何|どこ|誰|いつ|ですか|อะไร|ที่ไหน|ใคร|เมื่อไ|ไหม|อย่างไร|뭐|무엇|어디|언제|누구"
)
# A wish that something be done is asked for too.
_REQUEST = re.compile(
    r"\A\W*(?:(?:please|hey|ok|so|and|now)[ ,]+)*(?:can|could|would|will) you\b|\A\W*(?:please )?(?:help|suggest|recommend|remind|tell|show|give|find"
    r"|list|plan|write|draft|make|compare|choose|pick|book|create|prepare|explain|describe|summari[sz]e|walk|calculate|name)\b",
    re.IGNORECASE,
)
_APPEAL = re.compile(
    r"\b(?:remember|remind (?:me|us)|recall|i forgot|did (?:i|we)|have (?:i|we)|had (?:i|we)|i (?:said|told|mentioned|asked|brought up)|you (?:said|told|mentioned"
    r"|suggested|recommended)|we (?:said|talked|spoke|discussed|decided|agreed|planned)|last (?:time|week|month|year|night|summer|winter|spring|autumn|session"
    r"|conversation)|earlier|previous(?:ly)?|yesterday|the other day|our (?:last|previous|earlier|conversations?|discussions?|chats?|sessions?))\b"
    r"|\b(?:erinner\w*|letztes mal|neulich|gestern|hab(?:e)? ich|haben wir|wir haben|vorhin)\b|\b(?:recuerdas?|la ultima vez|te dije|ayer|dijimos|hablamos)\b"
    r"|\b(?:rappelle\w*|souviens|la derniere fois|hier|je t'ai dit|ai-je|nous avons)\b|\b(?:lembras?|da ultima vez|ontem|eu disse|te falei)\b"
    r"|\b(?:ricordi|l'ultima volta|ieri|ti ho detto)\b|\b(?:herinner\w*|vorige keer|gisteren|heb ik|hebben we)\b|(?:помнишь|напомни|в прошлый раз|вчера|я говорил\w*)"
    r"|(?:هل تتذكر|تذكر|ذكرني|المرة الماضية|أمس|امس|قلت لك)|(?:याद|पिछली बार|कल मैंने|मैंने बताया)|(?:记得|上次|昨天|之前|我说过|告诉过)|(?:覚えて|前回|昨日|先週|言った)"
    r"|\b(?:ingat|terakhir kali|kemarin)\b|\b(?:hatirla\w*|gecen sefer|dun)\b|(?:จำได้|คราวที่แล้ว|เมื่อวาน)",
    re.IGNORECASE,
)
_OWN = {
    "english": "my mine myself our ours ourselves we us",
    "spanish": "mi mis mio mia mios mias nuestro nuestra nuestros nuestras",
    "french": "mon ma mes mien mienne notre nos nous",
    "german": "mein meine meinem meinen meiner meines unser unsere unserem unseren unserer wir uns",
    "portuguese": "meu minha meus minhas nosso nossa nossos nossas",
    "italian": "mio mia miei mie nostro nostra nostri nostre",
    "dutch": "mijn onze ons wij",
    "indonesian": "saya aku kami kita ku",
    "turkish": "benim bizim",
}
_OWN_WORDS = {language: frozenset(said.split()) for language, said in _OWN.items()}
_OWN_ELSEWHERE = frozenset(
    map(
        folded,
        """мой моя мое мои моего моей моему моим моих мою наш наша наше наши нашего нашей меня мне मेरा मेरी मेरे मुझे मैं हमारा हमारी हमारे हम لي لدي عندي أنا انا نحن""".split(),
    )
)
# Arabic says "my" by an ending, Turkish and Indonesian too; who asks so asks for what they told.
_OWN_ENDINGS = {
    "arabic": re.compile("[\u0621-\u064a]{2,}(?:ي|نا)\\b"),
    "turkish": re.compile(r"\b\w{3,}(?:im|um|imin|umun|imiz|umuz)\b"),
    "indonesian": re.compile(r"\b\w{3,}ku\b"),
}
_OWN_UNSPACED = re.compile("我的|我|我们的|私|僕|俺|うちの|ผม|ฉัน|ของเรา|내 |나의|제 |우리")
# "I" in a question of one's own life; "How do I boil eggs?" is anybody's.
_I = re.compile(
    r"\b(?:(?:do|did|am|was|have|had|should|will|would|could) i|where i|when i|what i|who i|how (?:often|long|much|many|old) (?:do|did|am|was|have) i|i(?:'m| am|'ve| have|'d| live| work| like| love| prefer| use| want| need| was| went| met| bought| had))\b",
    re.IGNORECASE,
)
_ANYBODY = re.compile(
    r"\bhow (?:do|can|could|should|would|to) (?:i|we|you)\b|\b(?:can|could|may|shall|must) (?:i|we)\b|\bwhat (?:do|should|can) i (?:do|say|write|call) (?:if|when|to|with)\b"
    r"|\bi(?:'d| would)? (?:like|want|need) (?:to know|you to|a|an|some|help)\b|\bi (?:wonder|was wondering|mean|see|think|guess|understand|don't (?:know|understand))\b"
    r"|\b(?:tell|give|show|help|teach|let|explain to|remind) (?:me|us)\b|\blet'?s\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[^\W\d_a-z][\w-]*")
_SOCIAL_WORDS = frozenset(
    map(
        folded,
        """thanks thank you thx ty cheers great good nice cool perfect awesome wonderful brilliant excellent fine ok okay k yes yeah yep yup no nope nah sure right
        exactly indeed well hi hello hey hiya howdy morning afternoon evening night bye goodbye see later soon welcome sorry please lol haha wow oh ah hmm really so
        very much that is was helpful works it got i understand makes sense got alright all correct true appreciate your help again for the a how are doing today
        there whats up what's day have weekend lovely amazing love never mind nevermind no problem worries np
        danke vielen dank hallo guten tag morgen abend tschuss super gut ja nein bitte gerne alles klar passt genau wie geht es dir
        gracias muchas hola buenos dias buenas tardes noches adios vale si bien perfecto de nada que tal
        merci beaucoup bonjour bonsoir salut au revoir oui non bien parfait d'accord super ca va
        obrigado obrigada ola bom dia boa tarde noite tchau sim nao tudo bem
        grazie mille ciao buongiorno buonasera arrivederci si va bene perfetto prego
        dank je wel bedankt hoi goedemorgen dag ja nee prima
        спасибо привет здравствуйте пока да нет хорошо отлично большое
        شكرا جزيلا مرحبا السلام عليكم نعم لا جيد وداعا أهلا धन्यवाद शुक्रिया नमस्ते हाँ नहीं ठीक है अच्छा
        terima kasih halo selamat pagi siang malam ya tidak baik tesekkurler sagol merhaba selam evet hayir tamam iyi gunler""".split(),
    )
)
_SOCIAL_UNSPACED = re.compile(
    "(?:谢谢你?们?|多谢|你好吗?|您好|好的?|再见|早上好|晚上好|是的|不是|ありがとう(?:ございます)?|こんにちは|おはよう(?:ございます)?|こんばんは|さようなら|はい|いいえ|ขอบคุณ(?:ครับ|ค่ะ)?|สวัสดี(?:ครับ|ค่ะ)?|감사합니다|안녕(?:하세요)?|네|아니요|[!！。.~ ,，、😀-🙏👍❤️])+"
)
# What points at the window: "there", "it", "the second one". Not where the sentence itself says what is meant.
_POINTS = re.compile(
    r"\b(?:there|here|it|its|it's|this|that|these|those|they|them|their|he|him|his|she|her|hers|one|ones|the (?:first|second|third|last|former|latter|other|same|above)"
    r"|dort|da|davon|damit|das|es|er|ihn|sie|diese\w*|alli|ahi|eso|esto|el|ella|ellos|ca|cela|y|il|elle|ils|la-bas|ali|la|isso|ele|ela|li|esso|questo|quello|lui|lei"
    r"|daar|dat|dit|hij|zij|там|это|этот|он|она|они|его|ее|هناك|هذا|هذه|ذلك|هو|هي|वहाँ|वहां|यह|वह|उसका|उसकी|उसके|sana|itu|ini|orada|bu|o|onun)\b|那里|那儿|那个|它|他|她|这个|そこ|それ|あれ|彼|彼女|ที่นั่น|นั้น|มัน|เขา",
    re.IGNORECASE,
)
_REWORK = re.compile(
    r"\A\W*(?:(?:please|now|ok|okay|and|can you|could you|would you)[ ,]+)*(?:make|rewrite|rephrase|reword|shorten|translate|summari[sz]e|expand|simplify|fix|correct|continue|go on"
    r"|keep going|try again|again|redo|elaborate|explain|say|repeat|format|convert|turn|put|give me (?:another|more|one more|an example)|another|more|shorter|longer|why|how so"
    r"|what do you mean|are you sure|really|tell me (?:more|another)|in (?:english|french|german|spanish|one sentence))\b",
    re.IGNORECASE,
)
# What anybody may ask, and no owner has told: "the capital of Brazil", "how to boil eggs".
_GENERAL = re.compile(
    r"\A\W*(?:(?:please|hey|ok|so|and)[ ,]+)*(?:(?:what|who|where|which|when)(?:'s| is| are| was| were) (?:the |a |an )?(?:\w+ ){0,3}?(?:capital|population|currency|president|king|queen|inventor|author|boiling point"
    r"|melting point|meaning|definition|difference between|formula|square root|speed of|distance|largest|biggest|smallest|highest|tallest|longest|fastest|oldest|best way to|plural|opposite|synonym|chemical"
    r"|symbol|planet|continent|official language|population|area|atomic)"
    r"|(?:who|when) (?:invented|wrote|painted|discovered|composed|founded|was born|did the)|how (?:do|does|can|to|far|tall|high|deep|heavy|fast|hot|cold|big) "
    r"|(?:define|translate|spell|convert|calculate|solve|prove|name|list|count|write|compose|tell me (?:a|about)|give me (?:a|an|some|three|five|ten)|explain|describe)\b|why (?:is|are|do|does)\b"
    r"|(?:which|what|who) (?:\w+ ){1,2}(?:has|have|is|are|was) the (?:most|least|\w+est)\b|is it (?:true|possible|safe)|what (?:language|currency|colou?r|kind|year|is \d+|does \w+ mean|happens|causes)\b|how many (?:\w+ ){1,4}(?:are (?:there )?in|in|does|make|has|have (?!i\b|we\b|you\b)))"
    r"|\A[\d\s+*/().,=x^%-]+\??\Z",
    re.IGNORECASE,
)
_LONGEST_SOCIAL = 8
# Without a mark, a longer message is a story and not an appeal.
_LONGEST_UNMARKED = 14


def need_of(message: str, *, follows: bool) -> Need:
    """Judge the user's own words. ``follows``: the window shows a turn before them, which they may point at."""
    said = words(message)
    if not said or _is_social(message, said):
        return Need("none", "it is a greeting, thanks or a yes or no")
    question = asked_part(message)
    plain = folded(question)
    if question and _APPEAL.search(plain):
        return Need("appeal", f"it appeals to memory ({_APPEAL.search(plain)[0].strip()})", question)  # type: ignore[index]
    if not question:
        return Need("none", "it asks nothing")
    own = _own_word(question)
    if own and not (follows and _REWORK.search(plain) and _POINTS.search(plain)):
        return Need("personal", f"it asks about the user ({own})", question)
    if follows and (_REWORK.search(plain) and (_POINTS.search(plain) or len(said) <= _LONGEST_SOCIAL)):
        return Need("none", "it asks for what is in the window to be changed or continued")
    if follows and _POINTS.search(plain) and not names_in(question):
        return Need("none", f"it points at the window ({_POINTS.search(plain)[0]})")  # type: ignore[index]
    if not cue_words(question):
        return Need("none", "it has no word that tells anything")
    return Need("topic", "it names what may have been spoken of", question)


def is_general(question: str) -> bool:
    """Tells whether anybody may ask this, so that only a name that this owner spoke of makes it a question of the past."""
    return _GENERAL.search(folded(question)) is not None


def names_in(question: str) -> tuple[str, ...]:
    """Finds the names in a question: words with a capital, except at the beginning of a sentence.

    In German every noun is written so; there are none then.
    """
    if language_of(words(question)) == "german":
        return ()
    names: list[str] = []
    end = -1
    for match in _NAME.finditer(question):
        # Scripts without capitals have no names that could be told apart.
        if match[0] == "I" or not match[0][0].isupper() or _begins(question, match.start()):
            continue
        if question[end : match.start()] == " ":
            names[-1] += f" {match[0]}"
        else:
            names.append(match[0])
        end = match.end()
    return tuple(dict.fromkeys(names))


def asked_part(message: str) -> str:
    """The sentences of a message that ask or wish for something; empty if none does."""
    questions = _QUESTION.findall(message)
    requests = [
        one
        for one in _SENTENCE.findall(message)
        if one not in questions
        and (_REQUEST.search(one) or (not questions and (_ASKS.search(folded(one)) or _ASKS_UNSPACED.search(one))))
    ]
    if questions or requests:
        return " ".join(one.strip() for one in _SENTENCE.findall(message) if one in questions or one in requests) or message
    if (
        len(words(message)) <= _LONGEST_UNMARKED
        and _APPEAL.search(folded(message))
        and re.search(
            r"\b(?:remember|remind|recall|forgot)|erinner|recuerda|rappelle|lembra|ricord|помн|напомн|记得|覚えて",
            folded(message),
        )
    ):
        return message
    return ""


def _begins(text: str, place: int) -> bool:
    """True if a word stands at the beginning of a sentence."""
    before = text[:place].rstrip(' "“(')
    return not before or before[-1] in ".!?:\n"


def _own_word(question: str) -> str:
    """The word by which a question is about the user; empty if it is not."""
    plain = _ANYBODY.sub(" ", folded(question).replace("’", "'"))
    said = words(plain)
    language = language_of(words(question))
    own = _OWN_WORDS["english"] | _OWN_WORDS.get(language, frozenset())
    found = next((word for word in said if word in own or word in _OWN_ELSEWHERE), "")
    if found:
        return found
    endings = [_OWN_ENDINGS[name] for name in (language, "arabic") if name in _OWN_ENDINGS]
    matches = (pattern.search(plain) for pattern in (_I, _OWN_UNSPACED, *endings))
    return next((match[0].strip() for match in matches if match), "")


def _is_social(message: str, said: list[str]) -> bool:
    if _SOCIAL_UNSPACED.fullmatch(message.strip()):
        return True
    return len(said) <= _LONGEST_SOCIAL and all(word in _SOCIAL_WORDS for word in said)
