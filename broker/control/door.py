"""Whether the peer of one connection may ask what nodes ask: it knows the secret, or there is none.

    shut ──Hello──> challenged ──Proof, right──> open
                        └────────Proof, wrong──> failed: the connection is closed

Without a secret it is open from the start. Beside the connection's state nothing is kept, so a peer
that fails may come again, a tenth of a second later each time.
"""

import asyncio
from collections.abc import Callable

from ...protocol.control import Challenge, Hello, Proof, Refused
from ..controller.greeting import ANSWERS, ASKS, NONCE_BYTES, ClusterSecret, Greeting

FAILURE_DELAY_S = 0.1
"""Before a wrong proof is answered, which makes guessing slow (Kafka: 100 ms, too)."""
_NOT_GREETED = (
    "this cluster has a secret, and this connection has not proved to know it; "
    "give the node the same --cluster-secret-file as the others have"
)
_WRONG = "the two nodes have different secrets in --cluster-secret-file"
_NO_SECRET = "this node has no secret; give it the --cluster-secret-file that the others have"


class Door:
    """See the module."""

    def __init__(self, secret: ClusterSecret | None, nonce: Callable[[int], bytes]) -> None:
        """Begin shut, if there is a secret; `nonce` gives random bytes."""
        self.is_open = secret is None
        self.has_failed = False
        self.has_entered = False
        """Whether the peer speaks as a node: it was told who votes."""
        self._secret = secret
        self._nonce = nonce
        self._greeting: Greeting | None = None

    def greet(
        self, hello: Hello, asker_cluster_id: str, own_cluster_id: str
    ) -> Challenge | Refused:
        """Answer whoever wants to be let in."""
        if self._secret is None:
            return _refused(_NO_SECRET)
        if len(hello.nonce) != NONCE_BYTES:
            return _refused(f"a nonce has {NONCE_BYTES} bytes")
        own_nonce = self._nonce(NONCE_BYTES)
        self._greeting = Greeting(hello.nonce, own_nonce, asker_cluster_id, own_cluster_id)
        return Challenge(own_nonce)

    async def prove(self, proof: Proof) -> Proof | Refused:
        """Let the peer in, or not; a challenge is good for one proof."""
        greeting, self._greeting = self._greeting, None
        if self._secret is None or greeting is None:
            return self.refuse()
        if not self._secret.is_proof(proof.proof, ASKS, greeting):
            self.has_failed = True
            await asyncio.sleep(FAILURE_DELAY_S)
            return _refused(_WRONG)
        self.is_open = True
        return Proof(self._secret.prove(ANSWERS, greeting))

    def refuse(self) -> Refused:
        """What is told whoever is not let in."""
        return _refused(_NOT_GREETED)


def _refused(message: str) -> Refused:
    return Refused("CLUSTER_AUTHORIZATION_FAILED", message)
