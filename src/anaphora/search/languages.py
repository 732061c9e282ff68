"""The twelve most spoken of the languages that have a stemmer: which of them a text is in, its stop words and its stems.

The stemmers are Snowball's (snowballstemmer). The stop words are our own short lists: they drop words that tell nothing, and tell
languages of one script apart. Everything here takes folded words, as ``words()`` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from anaphora.search.folding import folded

_STOP_WORDS = {
    "english": """a about above after again against all am an and any are aren as at be because been before being below between
        both but by can could couldn d did didn do does doesn doing don down during each few for forgot from further had hadn has
        hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself just know ll m me
        might more most mustn my myself no nor not now o of off on once only or other our ours ourselves out over own please re s
        same shan she should shouldn so some such t tell than that the their theirs them themselves then there these they this
        those through to too under until up ve very was wasn we were weren what when where which while who whom why will with won
        would wouldn y you your yours yourself""",
    "spanish": """a al algo algun alguna algunas algunos ante antes asi aunque bien cada como con contra cual cuales cuando cuanto
        cuantos de del desde donde dos durante e el ella ellas ellos en entonces entre era eran eres es esa esas ese eso esos esta
        estaba estaban estamos estan estar estas este esto estos estoy fue fueron fui ha hace han has hasta hay he la las le les
        llama llamo lo los mas me mi mis mucho muy nada ni no nos nosotros nuestra nuestro o os otra otro para pero poco por porque
        puede puedes que quien quienes se sea segun ser si sido sin sobre solo son soy su sus tambien te tengo ti tiene tienen
        tienes todo todos tu tus un una unas uno unos usted y ya yo""",
    "french": """a ai aie ainsi alors apres as au aucun aussi autre aux avait avec avez avoir avons c ce cela celle celui ces cet
        cette ceux chez comme comment d dans de des donc dont du elle elles en encore entre es est et etaient etais etait ete etes
        etre eu eux fait fut ici il ils j je l la le les leur leurs lui m ma mais me meme mes moi mon n ne ni nos notre nous on ont
        ou par pas peu peux peut plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera ses si son
        sont suis sur t ta te tes toi ton tous tout toute tres tu un une vos votre vous y appelle appelles""",
    "german": """aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei beim bin bis bist da damit
        dann das dass dein deine deinem deinen deiner dem den denn der des dich die dies diese diesem diesen dieser dieses dir doch
        dort du durch ein eine einem einen einer eines er es etwas euch euer eure fur gegen gewesen hab habe haben hast hat hatte
        hatten heissen heisst hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ist ja jede jeder jedes jetzt kann
        kein keine keinen konnen machen man mein meine meinem meinen meiner meines mich mir mit muss nach nicht nichts noch nun nur
        ob oder ohne schon sehr sein seine seinem seinen seiner seit sich sie sind so solche soll uber um und uns unser unsere
        unserem unseren unter vom von vor wann war waren warum was wegen weil welche welchem welchen welcher wenn wer werde werden
        wie wieder will wir wird wo worden wurde wurden zu zum zur zwar zwischen""",
    "portuguese": """a ao aos aquela aquele aquilo as ate com como da das de dela dele deles depois do dos e ela elas ele eles em
        entre era eram essa essas esse esses esta estamos estao estar estas estava este estes estou eu foi fomos for foram fui ha
        isso isto ja lhe mais mas me mesmo meu meus minha minhas muito na nao nas nem no nos nossa nosso num numa o onde os ou para
        pela pelo por porque qual quais quando quantos que quem sao se sem ser seu seus so sou sua suas tambem te tem tenho ter
        teu teus tinha tu tua tuas um uma uns voce voces chama""",
    "italian": """a ad agli ai al alla alle allo anche avere aveva c che chi ci cio come con contro cosa cui da dagli dai dal dalla
        dalle dallo degli dei del dell della delle dello di do dopo dove due e ed era erano essere fa fino fra fu gli ha hai hanno
        ho i il in io l la le lei li lo loro lui ma me mi mia mie miei mio molto ne negli nei nel nell nella nelle no noi non
        nostra nostro o per perche piu poi qual quale quali quando quanti quanto quella quelle quelli quello questa queste questi
        questo qui se sei senza si sia sono sta stata stato su sua sue sugli sui sul sulla sulle suo suoi te ti tra tu tua tue tuo
        tuoi tutti tutto un una uno vi voi chiama chiamo""",
    "dutch": """aan af al alles als altijd andere ben bij daar dan dat de deze die dit doch doen door dus een eens en er ge geen
        geweest haar had hebben heb hebt heeft heet hem het hier hij hoe hun iemand iets ik in is ja je jij jou jouw kan kon kunnen
        maar me meer men met mij mijn moet na naar niet niets nog nu of om omdat onder ons onze ook op over reeds te tegen toch
        toen tot u uit uw van veel voor waar wanneer waren was wat welke wel werd wie wij wil worden zal ze zelf zich zij zijn zo
        zonder zou""",
    "russian": """а без бы был была были было быть в вам вас ваш весь во вот все всего всех вы где да для до его ее если есть еще же
        за здесь и из или им их к как какая какие какой какого каком ко когда кто ли меня мне мной может мои мой моей моего моем
        мою моя мы на над нам нас наш наша нашей нашего не него нее нет ни них но ну о об он она они оно от очень по под после при
        про с сам свой свою себя сейчас со так такой там тебя тем то тоже только том ты тут у уже чего чем что чтобы эта эти это
        этого этой этот я зовут""",
    "arabic": """في من على إلى الى عن مع هذا هذه ذلك تلك التي الذي الذين هو هي هم هن أنا انا أنت انت نحن كان كانت يكون تكون ما ماذا
        متى أين اين كيف لماذا هل من كم أي اي لا لم لن ليس قد كل بعض غير بين عند عندي لدي لي لك له لها ثم أو او و أن ان إن إذا اذا
        حتى كما لكن بعد قبل أيضا ايضا اسم اسمه اسمها""",
    "hindi": """का के की को में से पर और है हैं था थी थे हो होता होती होते हूँ हूं यह ये वह वे वो इस उस इन उन मैं मेरा मेरी मेरे मुझे हम हमारा हमारी हमारे हमें तुम
        तुम्हारा आप आपका आपकी आपके क्या कौन कब कहाँ कहां क्यों कैसे कैसा किस कितना कितने कितनी जो तो भी ही न नहीं एक लिए साथ कर करता करती करते किया गया
        गई गए रहा रही रहे अपना अपनी अपने अब जब तब या लेकिन कि ने नाम""",
    "indonesian": """ada adalah agar akan aku anda apa apakah atau bagaimana bagi bahwa banyak belum berapa bisa bukan dalam dan dapat
        dari dengan di dia hanya harus ia ini itu jadi jika juga kalau kami kamu kapan karena ke kepada kita lagi lebih mana
        mengapa mereka namun nama oleh pada paling para pernah punya saat saja sangat saya sebagai sedang seperti siapa sudah
        tapi tentang tidak untuk yang""",
    "turkish": """acaba ama ancak bana bazi ben beni benim bir biraz biz bize bizim bu buna bunu cok cunku da daha de degil diye en
        gibi hangi hem hep her hic icin ile ise kac kadar kendi ki kim mi mu nasil ne neden nedir nerede nereye niye o olan olarak
        oldu olup on ona adı nasıl hiç çok bazı şu mı mü için kaç çünkü onlar onu onun sana sen seni senin siz sizin su sonra var ve veya ya yani yok adi""",
}
_STOPS = {language: frozenset(folded(words).split()) for language, words in _STOP_WORDS.items()}
LANGUAGES = tuple(_STOP_WORDS)
# Of scripts that several languages share, the one that a word is taken to be in.
_OF_SCRIPT = (("\u0400", "\u052f", "russian"), ("\u0600", "\u06ff", "arabic"), ("\u0900", "\u097f", "hindi"))
_LATIN = tuple(language for language in LANGUAGES if language not in {"russian", "arabic", "hindi"})
# So many words tell the language of a text.
_READ = 60
# Words between which no blanks stand, and that tell nothing alone. The longest are taken first.
_UNSPACED_STOPS = """
什么时候 什么 怎么样 怎么 为什么 哪里 哪儿 哪个 多少 我们 你们 他们 她们 请问 可以 但是 因为 所以 如果 还是 或者 这个 那个 的 了 吗 呢 吧 啊 是 在 我 你 您 他 她 它 们 这 那 谁
哪 怎 和 与 有 就 都 也 很 不 没 要 会 能 上 把 被 给 对 从 到 叫 说 什 么
ですか ますか でした ました ください という ところ どこで どこ いつ 何時 誰 何 私の 私は 私 僕 あなた の は が を に で と も へ や か ね よ です ます した して する から まで より これ それ あれ
この その ある いる なに なん 名前は
อะไร ที่ไหน เมื่อไหร่ เมื่อไร ทำไม อย่างไร ยังไง ใคร ไหม หรือ ครับ ค่ะ คะ ผม ฉัน ดิฉัน คุณ เขา เธอ เรา ของ เป็น อยู่ มี ไม่ ใน ที่ และ กับ ให้ ได้ จะ ก็ นี้ นั้น ชื่อ คือ ว่า
뭐 무엇 어디 언제 누구 왜 어떻게 은 는 이 가 을 를 의 에 에서 도 로 와 과 나 내 저 제 이다 요 니까
""".split()
UNSPACED_STOPS = tuple(sorted(map(folded, _UNSPACED_STOPS), key=len, reverse=True))


def language_of(said: Sequence[str]) -> str:
    """The language that most of the stop words among the first words are of; English where nothing tells.

    It is the one that words in Latin letters are taken to be in; of other scripts the script tells.
    """
    return languages_of(said)[0]


def languages_of(said: Sequence[str]) -> tuple[str, ...]:
    """The Latin languages that a text may be in, the likeliest first. English is always one of them."""
    found = set(said[:_READ])
    counts = {language: len(found & _STOPS[language]) for language in _LATIN}
    most = max(counts.values())
    likely = [language for language in _LATIN if most and counts[language] == most]
    if "english" in likely or not likely:
        return "english", *(language for language in likely if language != "english")
    return *likely, "english"


def is_stop_word(word: str, languages: Sequence[str]) -> bool:
    """True if a word says nothing, in one of these languages or in that of its script."""
    if word < "\u0370":
        return any(word in _STOPS[language] for language in languages)
    return any(word in _STOPS[language] for first, last, language in _OF_SCRIPT if first <= word[0] <= last)


def stem_of(word: str, language: str) -> str:
    """The stem of a word in a Latin language, or in that of its own script; the word itself where there is no stemmer."""
    if word >= "\u0370":
        language = next((name for first, last, name in _OF_SCRIPT if first <= word[0] <= last), "")
    return stemmed(word, language) if language else word


@lru_cache(maxsize=200_000)
def stemmed(word: str, language: str) -> str:
    """The stem of a word by Snowball's stemmer of that language."""
    # A stemmer holds the word it works at, so every call takes its own: several threads may be here.
    return str(_stemmer(language)().stemWord(word))


@lru_cache(maxsize=len(LANGUAGES))
def _stemmer(language: str) -> type:
    from importlib import import_module

    # Only the stemmers that are used are loaded.
    module = import_module(f"snowballstemmer.{language}_stemmer")
    found: type = getattr(module, f"{language.capitalize()}Stemmer")
    return found
