"""How two nodes prove to each other that they know the cluster's secret, and do not tell it. PURE.

    who asks                                  who answers
    Hello(a)                            ──>
                                        <──   Challenge(b)
    Proof(HMAC("asks", greeting))       ──>   not what it must be: refused after 100 ms, and closed
    not what it must be: closed         <──   Proof(HMAC("answers", greeting))

a and b are 32 random bytes, new for each connection: what somebody overheard is of no use again.
The proofs of the two sides differ, so none can be sent back to where it came from. Who asks proves
first, so that whoever connects to a node learns nothing of the secret, not even a proof to try
guesses on.

A *greeting* is the two nonces and the cluster ids in the frames of both sides, so a proof made for
one cluster is none for another that was given the same secret.

Left out: what comes after the greeting is neither signed nor encrypted. Who can change the packets
between two nodes needs no secret; against that, there is no protection but a network of their own.
"""

import hmac
from dataclasses import dataclass

ASKS, ANSWERS = "asks", "answers"
"""The roles."""
NONCE_BYTES = 32
MIN_SECRET_BYTES = 16
MAX_SECRET_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Greeting:
    """What both sides have said; a cluster id is empty where there is none yet."""

    asker_nonce: bytes
    answerer_nonce: bytes
    asker_cluster_id: str
    answerer_cluster_id: str


class ClusterSecret:
    """The secret, which no log line and no error shows."""

    __slots__ = ("_secret",)

    def __init__(self, content: bytes) -> None:
        """Take a file's content; raises ValueError, with what is wrong with it."""
        secret = content.strip()
        if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
            raise ValueError(
                f"a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, "
                f"and this one has {len(secret)}"
            )
        self._secret = secret

    def prove(self, role: str, greeting: Greeting) -> bytes:
        """The proof of this side of a greeting."""
        proof = hmac.new(self._secret, digestmod="sha256")
        for part in (
            role.encode(),
            greeting.asker_nonce,
            greeting.answerer_nonce,
            greeting.asker_cluster_id.encode(),
            greeting.answerer_cluster_id.encode(),
        ):
            # With lengths, no two greetings are the same bytes.
            proof.update(len(part).to_bytes(4, "big") + part)
        return proof.digest()

    def is_proof(self, proof: bytes, role: str, greeting: Greeting) -> bool:
        """Whether the other side knows the secret; takes as long whatever the answer is."""
        return hmac.compare_digest(proof, self.prove(role, greeting))

    def __repr__(self) -> str:
        """As shown in logs."""
        return "ClusterSecret(...)"
