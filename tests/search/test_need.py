"""Which messages ask for anything of the past."""

import pytest

from anaphora.search.languages import language_of
from anaphora.search.need import is_general, names_in, need_of
from anaphora.search.words import words


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Thanks!", "none"),
        ("Thank you so much, that helps.", "none"),
        ("Good morning! How are you?", "none"),
        ("ok", "none"),
        ("!?", "none"),
        ("My dog is called Balu.", "none"),
        ("I went to the doctor today.", "none"),
        ("Make it shorter.", "none"),
        ("Can you make that more formal, please?", "none"),
        ("Translate it to French.", "none"),
        ("What language do people speak there?", "none"),
        ("And how old is he?", "none"),
        ("Continue.", "none"),
        ("What is my dog called?", "personal"),
        ("Where do I live?", "personal"),
        ("What did we decide about the roof?", "appeal"),
        ("Remind me of the plan.", "appeal"),
        ("What did you recommend last time?", "appeal"),
        ("What was the dog's name?", "topic"),
        ("What is the capital of Brazil?", "topic"),
        ("When did Caroline go to the museum?", "topic"),
        ("How do I boil an egg?", "topic"),
        ("Can you tell me how I boil an egg?", "topic"),
    ],
)
def test_a_message_says_whether_it_asks_for_the_past(message: str, kind: str):
    need = need_of(message, follows=True)
    assert need.kind == kind, need.reason
    assert need.reason


def test_what_points_at_the_window_asks_nothing_only_where_there_is_one():
    assert need_of("Which libraries are used in this project?", follows=True).kind == "none"
    assert need_of("Which libraries are used in this project?", follows=False).kind == "topic"
    assert need_of("Is Caroline there?", follows=True).kind == "topic"


# Eight questions about the user, four of anybody, in languages that have their own stop words and in some that have none.
LANGUAGES = [
    ("german", "Wie heißt mein Hund?", "personal"),
    ("german", "Danke schön, bitte!", "none"),
    ("german", "Was haben wir letztes Mal besprochen?", "appeal"),
    ("french", "Comment s'appelle mon chat ?", "personal"),
    ("french", "Merci beaucoup !", "none"),
    ("spanish", "¿Cómo se llama mi gato?", "personal"),
    ("spanish", "Muchas gracias", "none"),
    ("portuguese", "Como se chama o meu cachorro?", "personal"),
    ("portuguese", "Muito obrigado", "none"),
    ("italian", "Come si chiama il mio cane?", "personal"),
    ("italian", "Grazie mille!", "none"),
    ("dutch", "Hoe heet mijn hond?", "personal"),
    ("dutch", "Dank je wel!", "none"),
    ("russian", "Как зовут мою собаку?", "personal"),
    ("russian", "Спасибо большое!", "none"),
    ("arabic", "ما اسم كلبي؟", "personal"),
    ("arabic", "شكرا جزيلا", "none"),
    ("hindi", "मेरे कुत्ते का नाम क्या है?", "personal"),
    ("hindi", "धन्यवाद", "none"),
    ("indonesian", "Siapa nama anjing saya?", "personal"),
    ("indonesian", "Terima kasih", "none"),
    ("turkish", "Köpeğimin adı ne?", "personal"),
    ("turkish", "Teşekkürler", "none"),
    ("chinese", "我的狗叫什么名字？", "personal"),
    ("chinese", "谢谢！", "none"),
    ("japanese", "私の犬の名前は何ですか？", "personal"),
    ("japanese", "ありがとうございます", "none"),
    ("thai", "สุนัขของผมชื่ออะไร", "personal"),
    ("thai", "ขอบคุณครับ", "none"),
    ("korean", "내 개 이름이 뭐야?", "personal"),
]


@pytest.mark.parametrize(("language", "message", "kind"), LANGUAGES)
def test_so_it_is_in_other_languages(language: str, message: str, kind: str):
    assert need_of(message, follows=True).kind == kind


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("german", "Ich habe einen Hund und er heißt Rex."),
        ("french", "Le chat de ma sœur est très grand."),
        ("spanish", "La casa de mi hermana está en el campo."),
        ("portuguese", "O meu irmão não mora aqui."),
        ("italian", "Il cane della mia amica è nero."),
        ("dutch", "De hond van mijn zus is niet groot."),
        ("english", "The dog of my sister is not big."),
        ("english", "xyzzy"),
    ],
)
def test_a_text_tells_its_language_by_its_stop_words(language: str, text: str):
    assert language_of(words(text)) == language


def test_names_are_written_with_a_capital_inside_of_a_sentence():
    assert names_in("What does Anna Maria say of the LGBTQ group? Does Tom know?") == ("Anna Maria", "LGBTQ", "Tom")
    assert names_in("What is it? I think so.") == ()
    assert names_in("Wie heißt der Hund von der Nachbarin und was frisst er?") == ()
    # Scripts without capitals have none that could be told apart.
    assert names_in("제 고양이 이름이 뭐라고 했죠?") == names_in("我的猫叫什么名字？") == names_in("כמה עולה הכרטיס לדנה?") == ()


@pytest.mark.parametrize(
    "question", ["What is the capital of Peru?", "Who wrote Hamlet?", "How do I boil an egg?", "2+2?", "What is 17 times 23?"]
)
def test_what_anybody_may_ask_is_told_from_what_this_owner_asks(question: str):
    assert is_general(question)
    assert not is_general("What was the dog's name?")
