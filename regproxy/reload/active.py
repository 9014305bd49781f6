"""The active policy: one reference, replaced whole."""

from regproxy.policy.policy import Policy


class Active:
    """Owns the policy that runs. A request takes `policy` once, at its start, and never looks again."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """The policy that runs now."""
        return self._policy

    def swap(self, policy: Policy) -> None:
        """Let another policy run from the next request on; called on the event loop only."""
        self._policy = policy
