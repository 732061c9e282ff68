"""Guards: functions around the call that pass, change or refuse what is said."""

from anaphora.guards.guard import Guard, Refusal, guard
from anaphora.guards.ready import json_only, mask_secrets, maximum_length, topics

__all__ = ["Guard", "Refusal", "guard", "json_only", "mask_secrets", "maximum_length", "topics"]
