"""Guards: functions around the call that pass, change or refuse what is said."""

from anaphora.guards.builtin import json_only, mask_secrets, maximum_length, topics
from anaphora.guards.guard import Guard, Refusal, guard

__all__ = ["Guard", "Refusal", "guard", "json_only", "mask_secrets", "maximum_length", "topics"]
