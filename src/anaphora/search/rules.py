"""Standing instructions: what a user says once and means for good ("Always answer in French", "When I ask about prices, use euros")."""

from __future__ import annotations

import re

from anaphora.values.message import Message

# What one asks a chatbot to do. "Always wanted a dog" and "Always good to see you" ask for nothing.
_VERBS = (
    "add|address|answer|ask|avoid|begin|call|check|cite|clarify|compare|confirm|convert|describe|emphasi[sz]e|ensure|explain|format"
    "|highlight|include|incorporate|list|maintain|mention|offer|present|prioriti[sz]e|provide|recommend|refer|reference|reply|respond"
    "|say|show|speak|specify|state|structure|suggest|summari[sz]e|translate|use|write|give(?! up)|tell me|remind me|make it|keep it|be"
)
_ENGLISH = (
    rf"(?:(?:\A|[.!?\n;]\s*)(?:please |and |so |also |but )?(?:always|never)"
    rf"|\b(?:please|i want you to|i(?:'d| would) like you to) (?:always|never)"
    rf"|\bfrom now on,?(?: please| always| never| only)?|\bin (?:the )?future,?(?: please| always| never)?) (?:{_VERBS})\b"
    rf"|\bwhen(?:ever)? i (?:ask|write|say|talk|send) [^.?!]*, (?:please |always |never )*(?:{_VERBS})\b"
)
_OTHERS = (
    r"\b(?:antworte|schreib\w*|nenn\w*|verwende|benutze|sprich)\b[^.?!]{0,60}\b(?:immer|nie|stets|niemals)\b|\bab (?:jetzt|sofort)\b",
    (
        r"\b(?:responde|contesta|escribe|usa|habla)\w*\b[^.?!]{0,60}\b(?:siempre|nunca)\b|\b(?:siempre|nunca) (?:responde|contesta|escribe|usa|habla)"
        r"|\bde ahora en adelante\b"
    ),
    r"\b(?:réponds|écris|utilise|parle|appelle)\w*\b[^.?!]{0,60}\b(?:toujours|jamais)\b|\bdésormais\b|\bà partir de maintenant\b",
    (
        r"\b(?:responda|responde|escreva|use|fale)\b[^.?!]{0,60}\b(?:sempre|nunca)\b|\b(?:rispondi|scrivi|usa|parla)\b[^.?!]{0,60}\b(?:sempre|mai)\b"
        r"|\bd'ora in poi\b|\bde agora em diante\b"
    ),
    r"\bвсегда (?:отвечай|пиши|используй|говори)|(?:请|以后|从现在起)[^。！？]{0,10}(?:总是|一直|都|用)|今後は|これからは|いつも.{0,20}(?:ください|答えて)",
)
_RULE = re.compile("|".join((_ENGLISH, *_OTHERS)), re.IGNORECASE)
# A condition in a rule: then it holds only for what it names.
_CONDITION = re.compile(r"\bwhen(?:ever)? (?:i|we|you)\b|\bif (?:i|we|you)\b|\bwenn ich\b|\bquand je\b|\bcuando\b", re.IGNORECASE)
# In a chat of several people ("Anna: Always ...") nobody speaks to the chatbot.
_SPEAKER = re.compile(r"\A(?!(?:rule|note|important|reminder|p\.?s)\b)[^\W\d_][\w .'’-]{0,39}: ", re.IGNORECASE)
# Who lays down a rule is brief; in a pasted text it is somebody else's.
_LONGEST = 600


def is_rule(message: Message) -> bool:
    """Tells whether the user says here how they always want it done."""
    text = message.text
    return message.role == "user" and len(text) <= _LONGEST and not _SPEAKER.match(text) and _RULE.search(text) is not None


def is_conditional(text: str) -> bool:
    """Tells whether a rule holds only for what it names."""
    return _CONDITION.search(text) is not None
