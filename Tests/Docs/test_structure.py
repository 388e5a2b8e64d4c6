"""Rules of the house that no compiler checks."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPARISON = "Shared/Bytes/RawSpan+ConstantTime.swift"
# Whoever makes a code that proves who sent something also compares one; a new place belongs here once it compares as these do.
# (SRTP's tag lies in two registers: `Transform.hasHMAC`.)
MAKES_CODES = {
    "Shared/STUN/STUNKey.swift",
    "Shared/TURN/TimeLimitedCredential.swift",
    "Shared/TURNServer/NonceKey.swift",
}


def sources() -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for folder in ("Shared", "Services", "deploy")
        for path in sorted((ROOT / folder).rglob("*.swift"))
    }


def test_secrets_are_compared_in_constant_time() -> None:
    code = sources()
    assert {name for name, text in code.items() if re.search(r"\bCRYPTO_memcmp\(", text)} == {COMPARISON}
    assert {name for name, text in code.items() if re.search(r"\b(HMAC|EVP_MAC_\w+)\(", text)} == MAKES_CODES
    for name in MAKES_CODES | {"Shared/DTLS/DTLSFingerprint.swift"}:
        assert "hasSameBytes(inConstantTimeAs:" in code[name], f"{name} compares a secret"
        assert "hasSameBytes(as:" not in code[name], f"{name} compares in a time that tells how much is right"
