"""Words in any of their forms, in twelve languages and in scripts without blanks."""

import pytest

from anaphora.search.index import WordIndex
from anaphora.search.terms import cue_words, finder, question_languages


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What are my dogs called?", "My dog is called Rex"),
        ("Wo stehen meine Häuser?", "Mein Haus steht in Bremen"),
        ("Welche Katzen habe ich?", "Ich habe eine Katze und einen Hund"),
        ("Où travaillent mes frères ?", "Mon frère travaille à Lyon"),
        ("Comment s'appellent mes chats ?", "Mon chat s'appelle Minou"),
        ("¿Dónde trabajan mis hermanas?", "Mi hermana trabaja en Sevilla"),
        ("¿Cuáles son mis perros?", "Tengo un perro que se llama Rex"),
        ("Onde moram os meus irmãos?", "O meu irmão mora no Porto"),
        ("Dove lavorano i miei fratelli?", "Mio fratello lavora a Torino"),
        ("Waar wonen mijn broers?", "Mijn broer woont in Gent"),
        ("Где живут мои сестры?", "Моя сестра живёт в Казани"),
        ("Как зовут мою собаку?", "У меня есть собака, её зовут Рекс"),
        ("ما اسم كلبي؟", "لدي كلب اسمه ركس"),
        ("أين تسكن أختي؟", "أختي تسكن في القاهرة"),
        ("मेरे कुत्तों के नाम क्या हैं?", "मेरा कुत्ता रेक्स है"),
        ("मेरी बहन कहाँ रहती है?", "मेरी बहन दिल्ली में रहती है"),
        ("Siapa nama anjing saya?", "Anjing saya bernama Rex"),
        ("Köpeğimin adı ne?", "Köpeğim Rex çok tatlı"),
        ("我的狗叫什么名字？", "我有一只狗，叫小白"),
        ("我妹妹住在哪里？", "我妹妹住在上海"),
        ("私の犬の名前は何ですか？", "私の犬はシロといいます"),
        ("妹はどこに住んでいますか？", "妹は大阪に住んでいます"),
        ("สุนัขของผมชื่ออะไร", "สุนัขของผมชื่อโบโบ้"),
        ("내 강아지 이름이 뭐야?", "우리 강아지는 초코예요"),
        ("What are my dogs called?", "Mein Hund heißt Rex, my dog is called Rex"),
    ],
)
def test_what_was_told_is_found_in_its_language(question: str, told: str):
    index = WordIndex[str]()
    index.add("told", told)
    index.add("other", "Nothing of this kind was said, at no time")
    languages = question_languages(question)
    found = set[str]().union(*(index.having(word, languages) for word in cue_words(question)))
    assert found == {"told"}
    assert finder(question).found(told)


@pytest.mark.parametrize(
    "question",
    ["What is it?", "Was ist das?", "Qu'est-ce que c'est ?", "¿Qué es esto?", "Что это?", "ما هذا؟", "यह क्या है?", "什么？"],
)
def test_a_question_of_stop_words_alone_looks_for_nothing(question: str):
    assert cue_words(question) == ()
