# SPDX-License-Identifier: Apache-2.0
"""UUIDs in text: one canonical form, and the forms that are read.

RFC 9562 section 4 gives the text form. The canonical one here is lower case with four dashes, as Glance and Nova
write it, the published schemas ask for it, and the rootwrap filter admits it.
"""

from __future__ import annotations

import re
import uuid

#: The canonical form as a regular expression without anchors: for `re.fullmatch`, JSON schemas and rootwrap filters.
PATTERN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_CANONICAL = re.compile(PATTERN)
_READABLE = re.compile(rf"{PATTERN}|[0-9a-f]{{32}}", re.ASCII | re.IGNORECASE)


def is_canonical(text: object) -> bool:
    """Return whether `text` is a string that is a UUID in canonical form."""
    return isinstance(text, str) and _CANONICAL.fullmatch(text) is not None


def canonical(text: str) -> str | None:
    """Return a UUID in canonical form; None if `text` is not a UUID.

    Read are 32 hexadecimal ASCII digits in either case, with all four dashes in place or without any dash. `uuid.UUID`
    alone reads more: braces, ``urn:uuid:``, dashes anywhere, underscores and the digits of other scripts.
    """
    return str(uuid.UUID(text)) if _READABLE.fullmatch(text) else None
